"tools/check.py notices what it is there for: each fault is put into a made-up project"
import json, re, subprocess, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import check, figures

CONTRACT = 'class SpectralRegressor: pass\n\nclass PLSR(SpectralRegressor):\n    def fit(self, X): self.coef_ = self.net_ = X'

def export(text): return dict(cell_type='code', id='a', metadata={}, execution_count=None, source=f'#| export\n{text}', outputs=[])

def lesson(text, *outputs): return dict(cell_type='code', id='b', metadata={}, execution_count=None, source=text, outputs=list(outputs))

def printed(text, name='stdout'): return dict(output_type='stream', name=name, text=text)

class Project:
    "A package of one file a notebook, in order until something is put in"
    def __init__(self, root):
        self.root = root
        for d in ('nbs', 'mirzai', 'tools'): (root/d).mkdir()
        (root/'settings.ini').write_text('[DEFAULT]\nversion = 1.2.3\n')
        (root/'pyproject.toml').write_text('[tool.ruff.lint]\nselect = ["F"]\n')
        (root/check.HOUSE).write_text('[ceilings]\n[floors]\n[aims]\n[exceptions]\n')
        (root/'nbs/sidebar.yml').write_text('- 05_plsr.ipynb\n- 06_gpr.ipynb\n')
        self.write('05_plsr', export(CONTRACT))
        self.write('06_gpr', export('from mirzai.plsr import PLSR\nclass GPR(PLSR): pass'))

    def write(self, name, *cells):
        module = name.partition('_')[2]
        first = dict(cell_type='code', id='c', metadata={}, execution_count=None, source=f'#| default_exp {module}', outputs=[])
        (self.root/f'nbs/{name}.ipynb').write_text(json.dumps(dict(cells=[first, *cells], metadata={}, nbformat=4, nbformat_minor=5)))
        code = '\n\n'.join(c['source'].partition('\n')[2] for c in cells if c['source'].startswith('#| export'))
        names = re.findall(r'^(?:def|class) ([A-Za-z]\w*)', code, re.M)
        (self.root/f'mirzai/{module}.py').write_text(f'__all__ = {names}\n\n{code}\n')

    def found(self, name):
        for f in (check.chapters, check.model_classes, check.today): f.cache_clear()
        return list(check.found(name, self.root))

@pytest.fixture
def project(tmp_path): return Project(tmp_path)

CHEAP = ['chapters', 'ruff', 'two_modules', 'order', 'models_asked', 'outputs', 'pictures', 'pages', 'torn', 'raised']

@pytest.mark.parametrize('name', CHEAP)
def test_a_project_in_order_passes(project, name): assert project.found(name)==[]

@pytest.mark.parametrize('question', [
    'isinstance(model, PLSR)', 'isinstance(models[0], (PLSR, int))', 'isinstance(self.learn.model, GPR)', 'isinstance(model, kind)', 'issubclass(type(x), PLSR)',
    "hasattr(model, 'net_')", "hasattr(m, 'refit')", "hasattr(x, 'coef_')", "hasattr(m.net_.nets[0], 'soils')", "getattr(model, 'one_by_one', False)",
    "name.startswith('gpr')", "m.startswith('plsr-')", "name[0]=='g'", "m[:3]=='gpr'", 'type(m) is PLSR', "type(m).__name__=='PLSR'", "m.__class__==GPR"])
def test_a_model_that_is_asked_what_it_is(project, question):
    project.write('10_experiment', export(f'def fit(self, model, m, x, name, models, kind):\n    if {question}: return 1'))
    line, = project.found('models_asked')
    assert line.startswith('nbs/10_experiment.ipynb cell 1: ') and 'asks a model' in line

@pytest.mark.parametrize('question', [
    'isinstance(x, (list, tuple))', 'isinstance(model, str)', 'isinstance(m, nn.Conv1d)', "hasattr(x, 'columns')", "hasattr(self, 'net_')", "name.startswith('#')",
    "name[0]=='_'", 'type(x) is int', "getattr(args, 'target', None)", 'model.one_by_one'])
def test_other_questions_are_free(project, question):
    project.write('10_experiment', export(f'def fit(self, model, m, x, name, args):\n    if {question}: return 1'))
    assert project.found('models_asked')==[]

def test_the_registry_and_the_contract_may_ask(project):
    project.write('09_models', export('def kind(model): return isinstance(model, PLSR)'))
    assert project.found('models_asked')==[]

@pytest.mark.parametrize('line', ['from mirzai.gpr import GPR', 'from .gpr import GPR', 'import mirzai.gpr', 'from mirzai import gpr', 'def f():\n    from mirzai.gpr import GPR\n    return GPR',
                                  "def f(): return import_module('mirzai.gpr')", "HOME = 'mirzai.gpr:GPR'", 'from mirzai.cli import main', 'def f():\n    from mirzai.all import GPR\n    return GPR'])
def test_an_import_from_a_higher_number(project, line):
    project.write('04_metrics', export(line))
    found = project.found('order')
    assert len(found)==1 and found[0].startswith('nbs/04_metrics.ipynb cell 1: imports ') and 'higher number' in found[0]

def test_the_command_imports_what_it_likes_and_nobody_the_command(project):
    project.write('15_cli', export('def f():\n    from mirzai.report import g\n    return g'))
    project.write('16_report', export('def g(): pass'))
    assert project.found('order')==[]
    project.write('14_jobs', export('def g():\n    from mirzai.cli import f\n    return f'))
    assert len(project.found('order'))==1

def test_a_text_that_says_where_a_name_has_moved_is_no_import(project):
    project.write('04_metrics', export("__getattr__ = moved(__name__, {'GPR': 'mirzai.gpr:GPR'})"))
    assert project.found('order')==[]

def test_two_chapters_with_one_number(project):
    project.write('06_plots', export('def f(): pass'))
    assert sum('another chapter has this number' in l for l in project.found('chapters'))==2

def test_a_name_in_two_modules(project):
    project.write('10_experiment', export('def evaluate(): pass'))
    project.write('15_cli', export('def evaluate(): pass'))
    line, = project.found('two_modules')
    assert 'mirzai/cli.py, mirzai/experiment.py: evaluate' in line

@pytest.mark.parametrize('output,word', [
    (printed('UserWarning: old', 'stderr'), 'warning'), (dict(output_type='error', ename='E', evalue='v', traceback=[]), 'error'), (printed('written to /tmp/x/model'), 'path'),
    (printed('C:\\Users\\me\\model'), 'path'), (printed('Checked here, 2026-03-01: held'), 'changes by itself'), (printed('made by mirzai 1.2.2'), 'another|from mirzai'), (dict(output_type='execute_result', data={'text/html': '<p>mirzai 0.7.0</p>'}), 'from mirzai')])
def test_outputs_that_should_not_be_kept(project, output, word):
    project.write('10_experiment', lesson('f()', output))
    line, = project.found('outputs')
    assert line.startswith('nbs/10_experiment.ipynb cell 1: ') and re.search(word, line)

def test_outputs_that_may_be_kept(project):
    project.write('10_experiment', lesson('f()', printed('mirzai 1.2.3, model/card.json, https://example.org/home/x, 1/2')), lesson('#| kept\nf()', printed('by mirzai 0.9.0')), lesson("f('2026-03-01')", printed('2026-03-01: held')))
    assert project.found('outputs')==[]

@pytest.mark.parametrize('code,why', [
    ("x = ('richest from the quarter predicted '\n     'poorest')", 'mid-sentence'), ("x = ('the model learnt '\n     f'{n} soils')", 'mid-sentence'),
    (f"x = f(1 if n==1 {' '*60} else None)", 'blanks'), ("X = [1, 2,\n    # of the third\n    3]", 'comment')])
def test_torn_lines(project, code, why):
    project.write('10_experiment', export(code))
    line, = project.found('torn')
    assert why in line

@pytest.mark.parametrize('code', ["x = ('One sentence. '\n     'Another.')", "x = ('a, '\n     'b')", 'X = [ # of a table\n    1, # one\n    2]', f"x = ('{'long '*14}'\n     '{'long '*14}')",
                                  "X = [\n    # what each is\n    1, 2]", "f(1,\n  # why\n  2)"])
def test_lines_that_are_whole(project, code):
    project.write('10_experiment', export(code))
    assert project.found('torn')==[]

def test_chapters_without_a_place_and_two_for_a_module(project):
    project.write('07_plsr', export('x = 1'))
    found = project.found('chapters')
    assert sum('written from 2' in l for l in found)==2 and sum('07_plsr.ipynb: not in nbs/sidebar.yml' in l for l in found)==1

def picture(text): return lesson(text, dict(output_type='display_data', data={'image/png': ''}, metadata={}))

@pytest.mark.parametrize('text,what', [('plot()', 'a picture without words'), ('#| fig-alt:\nplot()', 'a picture without words'), ('#| fig-alt: a line: it falls\nplot()', 'double quotes')])
def test_pictures_without_words(project, text, what):
    project.write('10_experiment', picture(text))
    line, = project.found('pictures')
    assert line.startswith('nbs/10_experiment.ipynb cell 1: ') and what in line

def test_pictures_with_words_and_those_that_are_still_let_pass(project):
    project.write('10_experiment', picture('#| machine\n#| fig-alt: "a line: it falls"\nplot()'), lesson('f()', printed('2')))
    assert project.found('pictures')==[]
    house(project, 'pictures_without_words = 1')
    project.write('10_experiment', picture('plot()'))
    assert project.found('pictures')==[]

def test_imports_of_lessons_stand_apart(project):
    project.write('04_metrics', lesson('import torch\nx = torch.zeros(2)', printed('2')), lesson('import torch', printed('')), lesson('x = 2', printed('2')))
    line, = [l for l in project.found('chapters') if 'sidebar' not in l]
    assert line.startswith('nbs/04_metrics.ipynb cell 1: an import among other lines')

def test_ruff_is_asked(project):
    (project.root/'x.py').write_text('import os\n')
    assert any(l.startswith('x.py:1:8: F401') for l in project.found('ruff'))

def test_links_and_tables_of_pages(project):
    (project.root/'README.md').write_text('[a](nbs/05_plsr.ipynb) [b](/network.html#kexcnn) [c](nbs/none.ipynb) [d](https://example.org)\n\n    model   r2   rmse  bias\n    plsr   0.5    0.6   0.1\n')
    found = project.found('pages')
    assert sum('leads nowhere' in l for l in found)==2 and sum('raw table' in l for l in found)==2

# --- ceilings, floors, exceptions ----------------------------------------------------------------------------------

def house(project, ceilings='', floors='', exceptions=''):
    (project.root/check.HOUSE).write_text(f'[ceilings]\n{ceilings}\n[floors]\n{floors}\n[aims]\n[exceptions]\n{exceptions}\n')

def test_figures_have_ceilings_and_floors(project):
    today = figures.figures(project.root)
    rest = [k for k in today if k not in ('longest_module', 'lessons_a_cell')]
    house(project, '\n'.join(f'{k} = 9999' for k in rest)+f'\nlongest_module = {today["longest_module"]-1}', 'lessons_a_cell = 1')
    found = project.found('figures')
    assert len(found)==2 and 'longest_module' in ''.join(found) and 'less than the floor 1' in ''.join(found)
    house(project, '\n'.join(f'{k} = 9999' for k in rest)+f'\nlongest_module = {today["longest_module"]}', 'lessons_a_cell = 0')
    assert project.found('figures')==[] and any('longest_module' in l for l in check.figure_lines(project.root))

def test_an_exception_covers_one_place_and_is_taken_away_with_it(project):
    project.write('10_experiment', export('def f(model): return isinstance(model, PLSR)'))
    house(project, exceptions='models_asked = ["isinstance(model, PLSR)"]')
    assert project.found('models_asked')==[]
    project.write('11_attribution', export('def g(model): return isinstance(model, PLSR)'))
    assert len(project.found('models_asked'))==1
    for name in ('10_experiment', '11_attribution'): project.write(name, export('def f(): pass'))
    line, = project.found('models_asked')
    assert '--tighten' in line
    check.tighten(project.root)
    assert project.found('models_asked')==[] and check.house(project.root)['exceptions']=={'models_asked': []}

def test_limits_that_are_loosened_are_noticed(project):
    git = lambda *words: subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *words], cwd=project.root, check=True, capture_output=True)
    house(project, 'longest_module = 400', 'lessons_a_cell = 1', 'torn = ["a"]')
    git('init', '-q'); git('add', '-A'); git('commit', '-qm', 'one')
    assert project.found('raised')==[]
    house(project, 'longest_module = 401', 'lessons_a_cell = 0.9', 'torn = ["a", "a"]')
    assert len(project.found('raised'))==3
    house(project, 'longest_module = 300', 'lessons_a_cell = 1.1', 'torn = []')
    assert project.found('raised')==[]

def test_figures_of_a_chapter_by_hand(project):
    book = [export('def f(x): # a number\n    return x'), lesson('f()'), export('def _g(): pass'), export('def h(x, y): pass'), export('X = 1'), export('Y, Z = 1, 2'), lesson('h()')]
    project.write('10_experiment', *book)
    chapter = figures.Chapter(project.root/'nbs/10_experiment.ipynb', project.root)
    assert figures.reading(chapter)==dict(exported=5, lessons=2, defining=3, shown=2, rows=1)
    f = figures.of_modules([project.root/'mirzai/experiment.py'])
    assert f['private_definitions']==1/3 and f['parameters_with_a_comment']==1/3 and f['one_letter_names']==3/4

# --- the command ---------------------------------------------------------------------------------------------------

def test_the_command_says_what_is_wrong_and_fails(project):
    ask = lambda *names: subprocess.run([sys.executable, check.__file__, '--root', project.root, *names], capture_output=True, text=True)
    good = ask('order', 'torn')
    assert good.returncode==0 and good.stdout.splitlines()[-1].startswith('0 findings'), good.stderr
    project.write('10_experiment', lesson('f()', printed('old', 'stderr')))
    bad = ask('outputs')
    assert bad.returncode==1 and 'nbs/10_experiment.ipynb cell 1: a warning' in bad.stdout, bad.stderr

def test_a_package_that_is_not_what_the_notebooks_say(project):
    (project.root/'pyproject.toml').write_text('[project]\nname = "mirzai"\n[tool.nbdev]\nlib_path = "mirzai"\nnbs_path = "nbs"\n')
    for p in (project.root/'mirzai').glob('*.py'): p.unlink()
    (project.root/'mirzai/__init__.py').write_text('__version__ = "1.2.3"\n')
    (project.root/'README.md').write_text('')
    found = project.found('exported')
    assert 'mirzai/plsr.py: not what the notebooks say: run nbdev-export' in found
    assert 'nbs/05_plsr.ipynb: not clean: run nbdev-clean' in found

def test_annotations_that_are_not_true(project):
    with open(project.root/'pyproject.toml', 'a') as f: f.write('[tool.mypy]\nfiles = ["mirzai"]\nfollow_imports = "skip"\n')
    (project.root/'mirzai/words.py').write_text('def f(x) -> str:\n    return None\n')
    line, = project.found('types')
    assert line.startswith('mirzai/words.py:2: Incompatible return value')

def test_links_and_tables_of_this_project(): assert list(check.pages(ROOT))==[]
