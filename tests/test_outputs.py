"What the chapters show: outputs without warnings and without the paths of a machine, and the comparison with what they print now"
import json, re, sys
from pathlib import Path
import pandas as pd, pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import compare_outputs

NOTEBOOKS = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if not p.name.startswith('.'))
MACHINE = re.compile(r'/(tmp|home|work|root|Users|opt|var)/[\w.-]+')

def shown(cell):
    "The texts a cell's outputs show, with the name of the stream where there is one"
    for o in cell.get('outputs', []):
        yield o.get('name', ''), ''.join(o.get('text', []))
        for kind,text in o.get('data', {}).items():
            if kind.startswith('text/'): yield kind, ''.join(text)

@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_carry_no_warning_and_no_path_of_a_machine(path):
    for i,cell in enumerate(json.loads(path.read_text(encoding='utf-8'))['cells']):
        for name,text in shown(cell):
            assert name!='stderr', f'cell {i}: {text[:200]}'
            assert not MACHINE.search(text), f'cell {i}: {MACHINE.search(text)[0]}'

# --- the comparison of a chapter with what it prints now -----------------------------------------------------------

def cell(text='', kind='stream', source='f()'):
    "A code cell that printed this"
    out = dict(output_type='stream', name='stdout', text=text) if kind=='stream' else dict(output_type='execute_result', data={f'text/{kind}': text})
    return dict(cell_type='code', id='a', source=source, outputs=[out])

def differs(old, new, kind='stream', source='f()'):
    return list(compare_outputs.differences(dict(cells=[cell(old, kind, source)]), dict(cells=[cell(new, kind, source)])))

def table(**columns):
    "A table as pandas shows it"
    return pd.DataFrame(columns, index=[f'row {i}' for i in range(len(next(iter(columns.values()))))])._repr_html_()

@pytest.mark.parametrize('old,new', [
    ('R2 0.640', 'R2 0.610'), ('12 of 40 flagged', '13 of 40 flagged'), ('r2    0.640\nrmse  0.210', 'r2    0.640\nrmse  0.250'), ('mirzai 0.11.0', 'mirzai 0.10.0'),
    ('0.640', '-0.640'), ('1e-3', '1e-4'), ('1,200 soils', '1,300 soils'), ('held', 'failed'), ('one line', 'one line\nand another'), ('a line', ''), ('(3, 4)', '(4, 3)'),
    ('[0.1, 0.2]', '[0.1, 0.3]'), ('0.5 cmol(+)/kg', '0.6 cmol(+)/kg'), ('1764 wavenumbers', '1701 wavenumbers'), ('nan', '0.1'), ('mape 62%', 'mape 135%'),
    ('explained: 1 of 12 bands hold', 'explained: 2 of 12 bands hold'), ('2 files read', '2 files read\n1 of 3 files not read')])
def test_a_changed_result_is_noticed(old, new):
    assert differs(old, new) and differs(old, new, 'plain') and not differs(old, old) and not differs(new, new)

@pytest.mark.parametrize('old,new', [
    ('done in 12.3 s', 'done in 9 s'), ('1.5 ms a spectrum', '12 µs a spectrum'), ('took 3 min 12 s', 'took 1 min 2 s'), ('00:12', '01:15:30'), ('{"a": 1, \'seconds\': 0.4}', '{"a": 1, \'seconds\': 0.6}'),
    ('here, 2025-03-01: held', 'here, 2026-11-28: held'), ('<f at 0x7f1234567890>', '<f at 0x7f0987654321>'), ('/tmp/tmpab12cd_9/p.csv', '/tmp/tmpxx99yy00/p.csv'), ('library tmpab12cd_9', 'library tmp9_dc21ba'),
    ('83 kB', '91.2 kB'), ('torch 2.13.0', 'torch 2.14.1'), ('R2 0.640', 'R2 0.641'), ('0.50', '0.51'), ('1.3e-15', '8.9e-16'), ('bias 0.01', 'bias 0.00'), ('takes 1.3 times as long', 'takes 2 times as long'),
    ('sha256 0a1b2c3d4e5f60718293a4b5c6d7e8f9', 'sha256 ff1b2c3d4e5f60718293a4b5c6d7e800'), ('seconds    3.2', 'seconds    4.9'),
    ('read\ndone', 'read\ntraining plsr: 2 s\nrandom models: 2 of 19, about 17 s left\ndone'), ('training plsr: 0 of 3', 'training plsr: 0 of 3\ntraining plsr: 2 of 3')])
def test_the_clock_and_the_machine_are_not(old, new): assert not differs(old, new)

def test_tables_are_read_by_column():
    old = table(model=['plsr', 'gpr'], r2=[.54, .64], seconds=[1.2, 30.], n=[400, 400])
    assert not differs(old, table(model=['plsr', 'gpr'], r2=[.54, .64], seconds=[2.4, 11.], n=[400, 400]), 'html')
    for new in (table(model=['plsr', 'gpr'], r2=[.54, .70], seconds=[1.2, 30.], n=[400, 400]), table(model=['plsr', 'cnn'], r2=[.54, .64], seconds=[1.2, 30.], n=[400, 400]),
                table(model=['plsr', 'gpr'], r2=[.54, .64], seconds=[1.2, 30.], n=[400, 401*2]), table(model=['plsr'], r2=[.54], seconds=[1.2], n=[400])): assert differs(old, new, 'html')
    rows = lambda seconds,r2: pd.DataFrame(dict(ours=[seconds, r2]), index=['seconds', 'r2']).round(2)._repr_html_()
    assert not differs(rows(1., .52), rows(9., .52), 'html') and differs(rows(1., .52), rows(1., .62), 'html')

def test_a_machine_s_own_numbers_say_so_in_the_cell():
    race = '#| machine\nrace()'
    assert differs('ratio 2.1', 'ratio 3.4') and not differs('ratio 2.1', 'ratio 3.4', source=race) and differs('ratio 2.1', 'loss 3.4', source=race)

def test_pictures_and_cells_left_out_are_not_compared():
    picture = dict(cell_type='code', id='a', source='plot()', outputs=[dict(output_type='display_data', data={'image/png': 'x', 'text/plain': '<Figure size 1x1>'})])
    assert not list(compare_outputs.differences(dict(cells=[picture]), dict(cells=[picture | dict(outputs=[])])))
    assert not list(compare_outputs.differences(dict(cells=[cell('1')]), dict(cells=[cell('2') | dict(left_out=True)])))

def test_a_stale_notebook_is_found_by_the_command(tmp_path):
    "The command on two files: a changed number is a line and exit code 1"
    import subprocess
    for name,text in (('stored', 'R2 0.64 in 3 s'), ('same', 'R2 0.64 in 8 s'), ('other', 'R2 0.46 in 3 s')): (tmp_path/f'{name}.ipynb').write_text(json.dumps(dict(cells=[cell(text)])))
    ask = lambda new: subprocess.run([sys.executable, compare_outputs.__file__, tmp_path/'stored.ipynb', '--with', tmp_path/f'{new}.ipynb'], capture_output=True, text=True)
    same, other = ask('same'), ask('other')
    assert same.returncode==0 and other.returncode==1 and '0.64 has become 0.46' in other.stdout, other.stderr
