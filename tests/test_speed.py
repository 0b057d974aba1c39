"What makes it fast must not change what comes out, and must step aside where it cannot work"
import importlib.util, json, os, shutil, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest
from mirzai.plsr import PLSR
from mirzai.synthetic import synthetic_library

root = Path(__file__).resolve().parent.parent

NO_COMPILER = '''
import numpy as np, torch
from mirzai import learner
from mirzai.fused import can_fuse
from mirzai.loading import load_sample
from mirzai.network import KexCNN
assert not can_fuse(KexCNN(1701), torch.zeros(8, 1, 1701))
lib, out = load_sample().select('kex')[:80], []
for pays in (np.inf, 0):   # never asked for, asked for in vain
    learner.PAYS = pays
    out.append(learner.CNNRegressor('large', epochs=1).fit(lib).predict(lib))
assert np.array_equal(*out)
print('same')
'''

def test_without_a_compiler(tmp_path):
    "No C++ compiler: the layers one after the other, without a word, to the same bits"
    env = os.environ|dict(CXX=str(tmp_path/'none'), TORCHINDUCTOR_CACHE_DIR=str(tmp_path/'cache'))
    r = subprocess.run([sys.executable, '-W', 'error::UserWarning', '-c', NO_COMPILER], env=env, capture_output=True, text=True)
    assert r.returncode==0 and r.stdout.strip()=='same', r.stderr[-2000:]
    assert 'rror' not in r.stderr, r.stderr[-2000:]

def test_shared_products_are_not_shared_between_targets():
    "One library, two targets, two preprocessings: nobody gets the other's sums"
    lib = synthetic_library(2600, 0).select('kex')
    rows = np.random.default_rng(0).permutation(len(lib))
    kinds = [dict(target='kex'), dict(target='clay'), dict(target='kex', preprocess='cnn')]
    for k in kinds+kinds:
        a, b = PLSR(5, **k).fit_rows(lib, rows[:1900]), PLSR(5, **k).fit(lib[rows[:1900]])
        np.testing.assert_allclose(a.predict_rows(lib, rows[1900:]), b.predict(lib[rows[1900:]]), rtol=1e-6)

def benchmark(path=root/'benchmarks'/'run.py'):
    "The script as a module"
    spec = importlib.util.spec_from_file_location('benchmark', path)
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module

@pytest.mark.parametrize('plain,ours', [(.04, .01), (.01, .04)])
def test_a_benchmark_row_says_which_way_is_faster(plain, ours):
    "Two ways of known length: the ratio is above 1 where ours is the shorter one, and only there"
    b = benchmark()
    took = b.interleaved(dict(plain=lambda: time.sleep(plain), ours=lambda: time.sleep(ours)), 3)
    r = b.row('known', took['plain'], took['ours'], '', '')
    assert (r['ratio']>1)==(plain>ours) and plain/2<r['plain_s']<4*plain and r['plain_s']/r['ours_s']==r['ratio']

def kept(): return json.loads((root/'benchmarks'/'results.json').read_text())

def test_benchmark_rows():
    "Every job of the script is in its last full run, with times that are times and a ratio that is theirs"
    machine, *rows = kept()
    assert machine['job']=='machine' and machine['torch'] and len(rows)>30
    jobs = {r['job'] for r in rows}
    for job in benchmark().JOBS: assert any(j==job or j.startswith(job+' ') for j in jobs), job
    for r in rows:
        assert 0<r['ours_s']<1e5 and 0<r['plain_s']<1e5 and r['size'] and r['note'], r
        assert np.isclose(r['ratio'], r['plain_s']/r['ours_s']), r

def test_benchmark_rows_bear_out_the_page():
    "What the page about speed says of them: a floor that nothing passes, sums that do not grow with components, less memory, nothing tried that helped"
    rows = kept()[1:]
    one = {r['job']: r for r in rows}
    assert one['train_step floor']['ours_s']<one['train_step']['ours_s']<one['train_step eager']['ours_s']<one['train_step']['plain_s']
    assert one['load_memory']['ours_mb']<one['load_memory']['plain_mb']/2
    assert all(r['ratio']<1 for r in rows if r['job']=='tried')
    def growth(job, key): return [(r['plain_s'], r['ours_s']) for r in sorted((r for r in rows if r['job']==job), key=lambda r: r[key])]
    components, samples = growth('growth plsr components', 'components'), growth('growth plsr samples', 'n')
    assert components[-1][0]>5*components[0][0] and components[-1][1]<1.3*components[0][1]
    assert len(samples)==4 and all(b>a for way in zip(*samples) for a,b in zip(way, way[1:]))

def test_benchmark_runs(tmp_path):
    "The script still works, on the job that is soonest done, and writes the row that is kept"
    for f in ('run.py', 'synthetic.py'): shutil.copy(root/'benchmarks'/f, tmp_path/f)
    r = subprocess.run([sys.executable, str(tmp_path/'run.py'), '--quick', '--only', 'load_memory'], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode==0, r.stderr[-2000:]
    machine, row = json.loads((tmp_path/'results-quick.json').read_text())
    old = next(r for r in kept() if r['job']=='load_memory')
    assert machine.keys()==kept()[0].keys() and row.keys()==old.keys() and row['job']=='load_memory'
    assert row['ours_mb']<row['plain_mb'] and 0<row['ours_s'] and np.isclose(row['ratio'], row['plain_s']/row['ours_s'])
