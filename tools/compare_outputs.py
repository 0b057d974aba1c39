"""Do the chapters still print what stands in them?

    python tools/compare_outputs.py                               every notebook, run anew
    python tools/compare_outputs.py nbs/33_metrics.ipynb ...      some of them, run anew
    python tools/compare_outputs.py stored.ipynb --with new.ipynb two that were run

A line for each difference, exit code 1 where there is any. Words are compared as they stand, numbers with a tolerance
(`RTOL`, and one unit of the last digit printed). Left out by rule: times, dates, sizes in bytes, addresses, fingerprints,
temporary files, versions of other packages, progress, pictures. Whatever else depends on the clock or the processor says so
in its cell: `#| machine` (its numbers may differ, its words may not).
"""
import argparse, json, os, re, sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOISE = 1e-9                    # below it a number is what rounding left
RTOL = .02                      # other processors round otherwise, and a network's training carries that on

NUMBER = re.compile(r'(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?\.?\d+(?:[eE][-+]?\d+)?|(?<![\w.])[-+−]?\d+\.(?!\w)')
TIME_WORDS = r's|ms|µs|μs|us|ns|min|h|sec|secs|seconds?|minutes?|hours?|milliseconds?|spectra/s|soils/s'
MASKS = [
    (re.compile(r'\x1b\[[\d;]*m'), ''),
    (re.compile(r'(mirzai\W{1,4})(\d+)\.(\d+)\.(\d+)'), r'\1v\2_\3_\4'),    # a word: no tolerance
    (re.compile(r'0x[0-9a-fA-F]{6,}'), '<address>'),
    (re.compile(r'\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b'), '<fingerprint>'),
    (re.compile(r'(?<=[a-z]\d-)[0-9a-f]{10}\b'), '<fingerprint>'),         # of a task, behind its model: plsr9-249505e713 is no number
    (re.compile(r'(?:/[\w.-]+)*/?\btmp[a-z0-9_]{6,10}\b'), '<temporary>'),
    (re.compile(r'\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?'), '<date>'),
    (re.compile(r'\b\d{1,2}:\d\d(?::\d\d)?\b'), '<time>'),
    (re.compile(r'[\d.,]*\d(?: to [\d.,]*\d)? ?(?:%s)\b(?![-/])' % TIME_WORDS), '<time>'),
    (re.compile(r"(?<='seconds': )[\d.]+|(?<=seconds=)[\d.]+"), '<time>'),
    (re.compile(r'[\d.]+ times (?=as long|faster|as fast|slower|longer)'), '<time> times '),
    (re.compile(r'[\d.,]*\d ?(?:[kKMGT]i?B|bytes)\b'), '<size>'),
    (re.compile(r'(?<![\d.])\d+\.\d+\.\d+(?:\+\w+)?\b'), '<version>'),
]
CLOCK = re.compile(r'(?i)\b(?:seconds?|time|took|minutes?|wall|cpu|hours?|ms|speed|faster|per second|memory|peak|[kM]B)\b|(?:^|_)s(?:$|_)|\bµs\b|_ms$')

# bars, and the lines of `Progress`, of which a slow machine prints more: 'training plsr: 2 s', 'random models: 2 of 19, about 17 s left'
PROGRESS = re.compile(r'█|^Epoch \d+/\d+ : \||^[a-z][^:;]*: (?:\d+ of \d+(?:, about .* left)?|\d+ (?:s|min|h))$')

class _Tables(HTMLParser):
    "Rows of cells of all tables, and the text beside them; pictures and styles are left out"
    def __init__(self):
        super().__init__(); self.tables, self.text, self.skip, self.cell = [], [], 0, None
    def handle_starttag(self, tag, attrs):
        if tag in ('style', 'svg', 'script', 'progress'): self.skip += 1
        if tag=='table': self.tables.append([])
        if tag=='tr' and self.tables: self.tables[-1].append([])
        if tag in ('td', 'th') and self.tables and self.tables[-1]:
            self.cell = []
            self.span = int(dict(attrs).get('colspan', 1))
    def handle_endtag(self, tag):
        if tag in ('style', 'svg', 'script', 'progress'): self.skip -= 1
        if tag in ('td', 'th') and self.cell is not None:
            self.tables[-1][-1] += [' '.join(''.join(self.cell).split())]*self.span
            self.cell = None
    def handle_data(self, data):
        if not self.skip: (self.text if self.cell is None else self.cell).append(data)

def masked(text): # one text of an output
    "The text without what no two runs share"
    for pattern, word in MASKS: text = pattern.sub(word, text)
    return text

def without_clock(row, head): # cells of a row, cells of the header
    "The row with cells under or behind a word of time left out"
    label = row[0] if row else ''
    if CLOCK.search(label) and len(row)>1: return [label]+['<time>']*(len(row)-1)
    return ['<time>' if i<len(head) and CLOCK.search(head[i]) else c for i,c in enumerate(row)]

def html_texts(html): # text/html of an output
    "A text a row, and what stands beside the tables"
    page = _Tables(); page.feed(html)
    for rows in page.tables:
        head = rows[0] if rows else []
        yield ' '.join(head)
        for row in rows[1:]: yield ' '.join(without_clock(row, head))
    yield ' '.join(''.join(page.text).split())

def plain_texts(text): # stream or text/plain
    "A text a line; the value behind a word of time is left out, and columns under one where a header can be told"
    lines = text.split('\n')
    head, at = [], None
    for line in lines:
        line = line.split('\r')[-1]
        if PROGRESS.search(line): continue
        cells = re.split(r'\s{2,}', line.strip())
        if CLOCK.search(line) and not NUMBER.search(line) and len(cells)>1: head, at = cells, len(cells)
        elif at and len(cells) in (at, at+1): cells = cells[:len(cells)-at]+without_clock(['']+cells[-at:], ['']+head)[1:]
        elif not line.strip(): at = None
        if len(cells)==2 and CLOCK.search(cells[0]): cells[1] = '<time>'
        yield ' '.join(cells)

def texts(cell): # a code cell
    "What a cell shows, as lines of text: streams first, as a run without a browser has them"
    for o in sorted(cell.get('outputs', []), key=lambda o: ('stream', 'display_data', 'execute_result', 'error').index(o['output_type'])):
        if o['output_type']=='stream':
            if o.get('name')!='stderr': yield from plain_texts(''.join(o['text']))
            continue
        data = {k: v if isinstance(v, str) else ''.join(v) for k,v in o.get('data', {}).items() if k.startswith(('text/', 'image/'))}
        if any(k.startswith('image/') for k in data): continue
        if 'text/html' in data: yield from html_texts(data['text/html'])
        elif 'text/markdown' in data: yield from plain_texts(data['text/markdown'])
        elif 'text/plain' in data: yield from plain_texts(data['text/plain'])

def split(text): # a line
    "Words and numbers of a line, apart"
    text = masked(text)
    return ' '.join(NUMBER.sub('#', text).split()), NUMBER.findall(text)

def unit(number): # as printed
    "One of the last digit printed, where there are two decimals or two digits; nothing for a count"
    mantissa, _, power = re.sub('[eE]', 'e', number).partition('e')
    decimals = len(mantissa.partition('.')[2])
    digits = len(re.sub(r'\D', '', mantissa).lstrip('0'))
    return 10.**(int(power or 0)-decimals) if decimals>1 or decimals==1 and digits>1 else 0.

def value(number): return float(number.replace(',', '').replace('−', '-'))

def close(a, b, rtol=RTOL): # two numbers as printed
    "Whether they may be the same result on two machines"
    x, y = value(a), value(b)
    if max(abs(x), abs(y))<NOISE: return True
    return abs(x-y)<=rtol*max(abs(x), abs(y))+1.01*max(unit(a), unit(b))

def source(cell): return cell['source'] if isinstance(cell['source'], str) else ''.join(cell['source'])

def cell_differences(old, new): # two runs of a cell
    "A line for each difference"
    machine = '#| machine' in source(old)
    a, b = ([t for t in (split(x) for x in texts(c)) if t[0]] for c in (old, new))
    if len(a)!=len(b): return [f'{len(a)} lines stand there, {len(b)} come out']
    found = []
    for (words, numbers), (words_, numbers_) in zip(a, b):
        if words!=words_ or len(numbers)!=len(numbers_): found.append(f'{words!r} has become {words_!r}')
        elif not machine: found += [f'{x} has become {y} in {words!r}' for x,y in zip(numbers, numbers_) if not close(x, y)]
    return found

def differences(stored, new): # two notebooks as dictionaries
    "`(cell number, cell id, difference)` for all of them; a cell that did not run this time is left out"
    fresh = {c['id']: c for c in new['cells'] if c['cell_type']=='code' and not c.get('left_out')}
    for i,cell in enumerate(stored['cells']):
        if cell['id'] in fresh: yield from ((i, cell['id'], d) for d in cell_differences(cell, fresh[cell['id']]))

def run(path): # a notebook
    "`(notebook, seconds a cell)` after running it in this process as `nbdev-test` does; a cell that fails raises"
    from execnb.shell import CaptureShell
    from nbdev.config import get_config
    from nbdev.process import NBProcessor
    from nbdev.test import _skip_cell
    path = Path(path).resolve()
    flags = get_config(path.parent).tst_flags
    nb = NBProcessor(path, rm_directives=False, process=True).nb
    shell = CaptureShell(path, mpl_format='png')
    import pandas
    pandas.options.display.max_columns = 20     # as in a browser, where outputs that are kept were made
    os.environ['IN_TEST'] = '1'
    os.chdir(path.parent)
    shell.run_all(nb, exc_stop=True, preproc=_skip_cell(nb, flags.split() if isinstance(flags, str) else flags))
    if shell.exc: raise RuntimeError(f'{path.name}: {shell.prettytb(fname=path)}')
    cells, seconds = [], {}
    for c in nb.cells:
        ran = c.cell_type=='code' and 'execution' in c.metadata
        if ran: seconds[c.id] = c.metadata['execution']['total']
        cells.append(dict(cell_type=c.cell_type, id=c.id, source=c.source, left_out=not ran, outputs=json.loads(json.dumps(c.get('outputs', [])))))
    return dict(cells=cells), seconds

def look(path, new=None): # a notebook; a run of it, if there is one
    "The differences as lines, and the seconds of each cell"
    stored = json.loads(Path(path).read_text(encoding='utf-8'))
    fresh, seconds = (new, {}) if new else run(path)
    return [f'cell {i} ({id}): {d}' for i,id,d in differences(stored, fresh)], seconds

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebooks', nargs='*', help='default: all')
    parser.add_argument('--with', dest='new', metavar='NEW', help='a run of the one notebook')
    a = parser.parse_args()
    books = [Path(b) for b in a.notebooks] or sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
    found = 0
    for b in books:
        if a.new: lines, _ = look(b, json.loads(Path(a.new).read_text(encoding='utf-8')))
        else:
            from multiprocessing import get_context
            with get_context('spawn').Pool(1) as pool: lines, _ = pool.apply(look, (b,))
        found += len(lines)
        print(*(f'{b}: {l}' for l in lines), sep='\n' if lines else '', end='\n' if lines else '', flush=True)
    print(f'{len(books)} notebooks, {found} differences')
    return bool(found)

if __name__=='__main__': sys.exit(main())
