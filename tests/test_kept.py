"The command that compares kept numbers finds each difference, and nothing where there is none"
import importlib.util
from pathlib import Path
import pandas as pd, pytest

spec = importlib.util.spec_from_file_location('kept', Path(__file__).resolve().parents[1]/'benchmarks'/'kept.py')
spec.loader.exec_module(k := importlib.util.module_from_spec(spec))

@pytest.fixture
def table(): return pd.read_parquet(k.KEPT/'ten_splits_scores.parquet')

def found(kept, now, **kw): return k.differences('t', kept, now, k.KEYS['scores'], **kw)

def test_nothing_differs(table):
    assert found(table, table.copy())==[]
    assert found(table, table.sample(frac=1, random_state=0))==[]              # rows in another order

@pytest.mark.parametrize('column', ['r2', 'bias', 'n'])
def test_one_digit_of_one_value(table, column):
    now = table.copy(); now[column] = now[column].astype(float if column!='n' else int)
    now.loc[7, column] += 1 if column=='n' else 1e-12
    line, = found(table, now)
    assert f'{column} is another in 1 of {len(table)} rows' in line and 'comes out' in line
    assert found(table, now, rtol=1e-6)==([] if column!='n' else [line])

def test_rows_and_columns(table):
    gone, = found(table, table.drop(index=3)); new, = found(table.drop(index=3), table)
    assert '1 row(s) are gone' in gone and '1 row(s) are new' in new
    assert 'other columns' in found(table, table.rename(columns=dict(r2='R2')))[0]
    assert found(table, table.assign(r2=float('nan')))                         # nothing equals what is missing

def test_the_page():
    page = (k.ROOT/'README.md').read_text(encoding='utf-8')
    assert k.check_page()==[]
    row = next(l for l in page.splitlines() if l.startswith('| all | gpr |'))
    line, = k.check_page(page.replace(row, row.replace('0.', '1.', 1)))
    assert row in line

def test_what_a_quick_run_fits():
    tasks = [dict(model=m, seed=s, fold=f) for m in ('plsr', 'gpr') for s in (0, 1) for f in (0, 1, 2)]
    assert k.first_of(tasks)==[*tasks[:6], tasks[6]]
    scores = pd.DataFrame([dict(model=m, seed=s) for m in ('plsr', 'gpr') for s in (0, 1)])
    assert len(k.whole(scores, tasks, 3))==4 and len(k.whole(scores, k.first_of(tasks), 3))==2

def test_the_command(monkeypatch, capsys):
    "One fold of partial least squares: unchanged; with predictions a thousandth higher: not"
    from mirzai.plsr import PLSR
    monkeypatch.setattr(k, 'first_of', lambda tasks: tasks[:1])
    args = ['--quick', '--only', 'nested', '--models', 'plsr', '--rtol', '1e-6', '--jobs', '1']
    assert k.main(args)==0 and capsys.readouterr().out.endswith('unchanged\n')
    real = PLSR.predict_rows
    monkeypatch.setattr(PLSR, 'predict_rows', lambda self, lib, rows: real(self, lib, rows)*1.001)
    assert k.main(args)==1 and 'predicted is another in' in capsys.readouterr().out
