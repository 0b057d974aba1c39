"What makes it fast must not change what comes out, and must step aside where it cannot work"
import json, os, subprocess, sys
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

def test_benchmark_rows():
    "The benchmark's last run has every job, each with both sides"
    rows = json.loads((root/'benchmarks'/'results.json').read_text())
    by = {r['job']: r for r in rows}
    assert {'train_step', 'time_to_r2', 'plsr_sweep', 'predict', 'attribution', 'load_memory', 'import'}<=set(by)
    for r in rows[1:]:
        assert {'job', 'plain_s', 'ours_s', 'ratio', 'size', 'note'}<=set(r)
        assert np.isclose(r['ratio'], r['plain_s']/r['ours_s'])

def test_benchmark_runs(tmp_path):
    "The script still works, on the job that is soonest done"
    r = subprocess.run([sys.executable, str(root/'benchmarks'/'run.py'), '--quick', '--only', 'load_memory'], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode==0 and 'load_memory' in r.stdout, r.stderr[-2000:]
