"""Tasks per minute with one process and with two: `python benchmarks/sweep.py`

The same tasks on a synthetic library, PLSR and the network, one thread a process; starting the workers counts.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, time
from mirzai.experiment import evaluate
from mirzai.synthetic import synthetic_library

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__); a.add_argument('--n', type=int, default=6000); a.add_argument('--seeds', type=int, default=8)
    a = a.parse_args()
    lib = synthetic_library(a.n, 0).select('kex')
    grid = dict(models=['plsr', 'cnn'], seeds=range(a.seeds), settings=dict(cnn=dict(recipe='large', epochs=4)), quiet=True)
    evaluate(lib[:300], **(grid|dict(seeds=[0])), jobs=1)   # imports and caches are not what is measured
    rate,scores = {},{}
    for jobs in (1, 2):
        start = time.perf_counter(); r = evaluate(lib, jobs=jobs, **grid)
        rate[jobs],scores[jobs] = 60*len(r.fits)/(time.perf_counter()-start), r.scores
    same = scores[1].equals(scores[2])
    print(f'{len(lib)} synthetic spectra, {len(r.fits)} tasks: {rate[1]:.1f} a minute with one process, {rate[2]:.1f} with two, '
          f'ratio {rate[2]/rate[1]:.2f}; scores {"the same" if same else "NOT the same"}')
