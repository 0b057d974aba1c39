"""Does the synthetic library meet its own figures? `python benchmarks/synthetic.py [--n 20000] [--full]`

Prints the distribution of Kex against Table 2 of the paper, the noise ceiling, and the test R2 of PLSR, the network and, on a
subset, the Gaussian process, all on one random split by sample; with --full also the cost of the whole 50,494 spectra, PLSR on them,
and how unlike each other the orders are. Six minutes on two cores. Everything here is SYNTHETIC.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, resource, time
import numpy as np, pandas as pd
from mirzai.synthetic import ceiling, synthetic_library

def cost(n):
    start = time.perf_counter(); lib = synthetic_library(n, 0); took = time.perf_counter()-start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
    print(f'{n} spectra in {took:.1f} s, peak memory of the process {peak:.0f} MB')
    return lib

def distribution(lib):
    y = lib.y()
    q = dict(zip(('q1', 'median', 'q3'), np.percentile(y, [25, 50, 75])), below_012=np.mean(y<.12),
             undefined=np.mean(lib.properties.order=='undefined'))
    print(pd.DataFrame({'paper': [.15, .36, .74, 1-40132/50494, (1553-15.5)/4014], 'synthetic': q.values()}, index=q.keys()).round(3).to_string())
    print(f'noise ceiling R2 {ceiling(lib):.3f}')
    f = lib.truth.fractions.groupby(lib.properties.order.to_numpy()).mean()
    d = np.abs(f.to_numpy()[:, None]-f.to_numpy()[None]).sum(-1)/2; d[np.diag_indices(len(d))] = np.inf
    print(f'orders: share of mass that differs from the most similar other order, {d.min(1).min():.2f} to {d.min(1).max():.2f}')

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__); a.add_argument('--n', type=int, default=20_000); a.add_argument('--full', action='store_true')
    a = a.parse_args()
    whole = cost(50_494 if a.full else a.n)
    distribution(whole)
    from mirzai.experiment import evaluate
    lib = whole[:a.n].select('kex')
    res = evaluate(lib, ['plsr', 'cnn'], seeds=[0])
    few = evaluate(lib, ['gpr'], seeds=[0], sizes=[1000])
    print(f'{len(lib)} of {a.n} selected, random split by sample, seed 0:')
    print(pd.concat([res.table(by=['model', 'size']), few.table(by=['model', 'size'])]).to_string())
    if a.full: print('all 50,494:'); print(evaluate(whole.select('kex'), ['plsr'], seeds=[0], jobs=1).table(by=['model', 'size']).to_string())
