"""How the book reads, in figures: what `tools/check.py` holds against `tools/house.toml`

Chapters are the numbered notebooks of `nbs/`; the paper's and the tutorials are read for findings, not for these figures.
"""
import ast, io, json, re, tokenize
from collections import Counter
from functools import cached_property
from pathlib import Path
from statistics import mean, median
import yaml

APART = {'paper', 'tutorials', 'studies'}                   # folders of nbs/ whose cells no figure counts
WIDTH = 110                                                 # characters a line of an exported cell
EXPORT = re.compile(r'^\s*#\s*\|\s*exports?\b', re.M)
DEFAULT_EXP = re.compile(r'^\s*#\s*\|\s*default_exp\s+(\S+)', re.M)

def parsed(code): # source of a cell
    "Its syntax tree; None where it is no Python (cell magic)"
    try: return ast.parse(re.sub(r'^\s*[%!].*$', 'pass', code, flags=re.M))
    except SyntaxError: return None

def is_text(node): return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

class Cell:
    "A cell of a notebook: where it stands, its source, what it shows"
    def __init__(self, chapter, number, cell):
        self.chapter, self.number, self.kind = chapter, number, cell['cell_type']
        self.source = ''.join(cell['source'])
        self.outputs = cell.get('outputs', [])

    @property
    def where(self): return f'{self.chapter.name} cell {self.number}'

    @cached_property
    def exported(self): return self.kind=='code' and bool(EXPORT.search(self.source))

    @cached_property
    def tree(self): return parsed(self.source) if self.kind=='code' else None

    @cached_property
    def work(self):
        "Statements beside imports and texts; None where the cell is no Python"
        idle = (ast.Import, ast.ImportFrom)
        return None if self.tree is None else [n for n in self.tree.body if not isinstance(n, idle) and not is_text(n)]

    @cached_property
    def drawn(self): return any(kind.startswith('image/') for o in self.outputs for kind in o.get('data', {}))

    @cached_property
    def options(self):
        "What the build of the site reads of its directives, as it reads them; None where it can read none"
        head = re.findall(r'\A(?:#\|.*\n?)*', self.source)[0]
        of_quarto = [l[2:].strip() for l in head.split('\n') if ':' in l]
        try: return yaml.safe_load('\n'.join(of_quarto)) or {}
        except yaml.YAMLError: return None

    @property
    def defines(self): return any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in self.work or [])

    @property
    def lines(self): return [l for l in self.source.split('\n') if l.strip() and not l.strip().startswith('#|')]

class Chapter:
    "A notebook under `nbs/`, and the module it is written into"
    def __init__(self, path, root):
        self.path, self.name = path, path.relative_to(root).as_posix()
        cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        self.cells = [Cell(self, i, c) for i,c in enumerate(cells)]
        found = [m[1] for c in self.cells if c.kind=='code' and (m := DEFAULT_EXP.search(c.source))]
        self.module = found[0] if found else None

    @property
    def exported(self): return [c for c in self.cells if c.exported]

def chapters(root): # folder of the project
    "Every notebook, in the order of the numbers: the paper's and the tutorials' after the book's own"
    paths = [p for p in (root/'nbs').rglob('*.ipynb') if not any(x[0] in '._' for x in p.relative_to(root).parts)]
    own = lambda p: (len(p.relative_to(root/'nbs').parts)>1, p.relative_to(root/'nbs').as_posix())
    return [Chapter(p, root) for p in sorted(paths, key=own)]

def modules(root): # folder of the project
    "Every module of the package, but for nbdev's index"
    return [p for p in sorted((root/'mirzai').rglob('*.py')) if p.name!='_modidx.py']

def nth(values, share): # numbers; 0 to 1
    ordered = sorted(values)
    return ordered[int(share*(len(ordered)-1))]

# --- figures of the notebooks --------------------------------------------------------------------------------------

def reading(chapter):
    "Exported cells, lessons, definitions, definitions with a lesson before the next one, places with four cells in a row"
    n = Counter()
    row, waiting = 0, False
    for c in chapter.cells:
        if c.kind!='code': row = 0 if c.source.strip() else row
        elif c.exported:
            if c.work==[]: continue                         # imports alone
            row += 1
            n['exported'] += 1
            n['rows'] += row==4
            n['defining'] += c.defines
            waiting = waiting or c.defines
        elif '#| hide' not in c.source and c.work:
            n['lessons'] += 1
            n['shown'] += waiting
            row, waiting = 0, False
    return n

def of_notebooks(books): # chapters
    each = {b.name: reading(b) for b in books if not APART&set(Path(b.name).parts)}
    total = sum(each.values(), Counter())
    ratio = {k: n['lessons']/n['exported'] for k,n in each.items() if n['exported']>3}
    cells = [c for b in books if b.name in each for c in b.exported if c.work!=[]]
    sizes = [len(c.lines) for c in cells]
    wide = sum(len(l)>WIDTH for c in cells for l in c.source.split('\n'))
    silent = sum(c.drawn and 'fig-alt' not in (c.options or {}) for b in books for c in b.cells)
    return dict(pictures_without_words=silent, lines_a_cell=median(sizes), lines_a_cell_p90=nth(sizes, .9), lines_too_wide=wide,
                lessons_a_cell=total['lessons']/total['exported'], lessons_in_the_poorest_chapter=min(ratio.values(), default=1.),
                definitions_followed_by_a_lesson=total['shown']/total['defining'], four_cells_in_a_row=total['rows'])

# --- figures of the modules ----------------------------------------------------------------------------------------

WORDS = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)

def tokens(text): # source of a module
    "How many tokens stand in each line that has any"
    per = Counter(t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type in WORDS)
    return list(per.values())

def is_pair(n): return isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple) and isinstance(n.value, ast.Tuple)

def of_modules(paths): # modules
    texts = {p: p.read_text(encoding='utf-8') for p in paths}
    trees = {p: ast.parse(t) for p,t in texts.items()}
    nodes = [n for t in trees.values() for n in ast.walk(t)]
    dense = [k for t in texts.values() for k in tokens(t)]
    stored = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    defined = [n.name for t in trees.values() for n in t.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    asked, told = documented(texts.values())
    length = {p.stem: len(t.splitlines()) for p,t in texts.items()}
    return dict(tokens_a_line=mean(dense), tokens_a_line_p90=nth(dense, .9),
                pairs_in_a_hundred_lines=100*sum(map(is_pair, nodes))/len(dense),
                one_letter_names=sum(len(s)==1 for s in stored)/max(1, len(stored)),
                private_definitions=sum(d.startswith('_') for d in defined)/len(defined),
                parameters_with_a_comment=told/max(1, asked), longest_module=max(length.values()),
                lines_of_the_command=length.get('cli', 0))

def documented(texts): # of modules
    "Parameters of public functions, and how many of them have a comment on a line of their own"
    asked = told = 0
    for text in texts:
        lines = text.splitlines()
        for f in ast.parse(text).body:
            if not isinstance(f, ast.FunctionDef) or f.name[0]=='_': continue
            args = [a for a in f.args.posonlyargs+f.args.args+f.args.kwonlyargs if a.arg!='self']
            alone = Counter(a.lineno for a in args)
            asked += len(args)
            told += sum(alone[a.lineno]==1 and '#' in lines[a.lineno-1][a.col_offset:] for a in args)
    return asked, told

def figures(root): # folder of the project
    return of_notebooks(chapters(root))|of_modules(modules(root))
