"""The cheap half of kernels and networks, against the plain way, in one process and in turns: `python benchmarks/kernels.py [--soils 4000]`

    distances    squared distances of standardised derivatives: SciPy's `cdist`, against one matrix product
    load         a saved Gaussian process read from disk and ten spectra predicted: distances by `cdist` and a new factorisation, as
                 version 0.9.0 did at every loading, against the factor that the folder keeps; the peak of a fresh process beside it
    one          one spectrum through the paper's network: PyTorch's eager layers, against `predict` of the estimator, preprocessing included

Medians of wall time, one thread; `load` once the plain way, between two of ours. Writes benchmarks/kernels.json. All spectra are SYNTHETIC, 1,701 wavenumbers. With the default of 4,000 soils two
minutes on a free core, most of it the plain way of `load`; `distances` takes half as many.
"""
import argparse, json, os, subprocess, sys, tempfile, time, warnings
os.environ.setdefault('OMP_NUM_THREADS', '1')
from pathlib import Path
import numpy as np
from run import HERE, interleaved, machine, row

GRID = np.arange(600, 4001, 2.)
PEAK = '''import resource, sys
from mirzai.predictor import Predictor
from mirzai.loading import read_library
Predictor.load(sys.argv[1]).predict(read_library(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1e3)'''

def library(n):
    from mirzai.synthetic import synthetic_library
    return synthetic_library(int(1.4*n)+100, 0, GRID).select('kex')[:n]

def distances(n):
    from scipy.spatial.distance import cdist
    from mirzai.gpr import apart, views
    V = [(v-v.mean(0))/v.std(0) for v in views(library(n).spectra, 21, GRID)]
    def plain(): return [cdist(v, v, 'sqeuclidean') for v in V]
    def ours(): return apart(V)
    off = max(np.abs(b/a-1)[a>0].max() for a,b in zip(plain(), ours()))
    s = interleaved(dict(plain=plain, ours=ours), 3)
    return row('distances', s['plain'], s['ours'], f'{n} x {len(GRID)}, two views', f'largest relative difference {off:.0e}')

def load(n):
    from scipy.linalg import cho_factor, cho_solve
    from scipy.spatial.distance import cdist
    from mirzai.gpr import GPR, rq, views
    from mirzai.loading import write_library
    from mirzai.predictor import Predictor, save_model
    lib = library(n+10)
    model,few = GPR(windows=(21,), tune_samples=200).fit(lib[:n]), lib[n:]
    with tempfile.TemporaryDirectory() as d:
        folder,table = Path(d)/'model', Path(d)/'new.csv'
        save_model(model, folder, lib[:n]); write_library(few, table)
        def ours(): return Predictor.load(folder).predict(few).predicted.to_numpy()
        def plain():
            V = [(v-m)/s for v,m,s in zip(views(lib.spectra[:n], 21, GRID), model.center_, model.spread_)]
            new = [(v-m)/s for v,m,s in zip(views(few.spectra, 21, GRID), model.center_, model.spread_)]
            def kernel(A, B): return sum(rq(cdist(a, b, 'sqeuclidean'), model.theta_[3*i:3*i+3]) for i,(a,b) in enumerate(zip(A, B)))
            K = kernel(V, V)
            K.flat[::n+1] += model._diagonal()
            alpha = cho_solve(cho_factor(K, lower=True), (model.target_-model.mean_)/model.sd_)
            return 10**(kernel(new, V)@alpha*model.sd_+model.mean_)
        s,told = {},{}
        for k,f in (('ours', ours), ('plain', plain), ('ours', ours)):     # once each is enough for minutes against seconds
            start = time.perf_counter(); told[k] = f(); s.setdefault(k, []).append(time.perf_counter()-start)
        s,off = {k: float(np.median(v)) for k,v in s.items()}, float(np.abs(told['plain']/told['ours']-1).max())
        peak = float(subprocess.run([sys.executable, '-c', PEAK, folder, table], capture_output=True, text=True, check=True).stdout)
    return row('load', s['plain'], s['ours'], f'{n} soils, 10 spectra', f'largest relative difference {off:.0e}; peak of a process {peak:.0f} MB',
               peak_mb=peak)

def one(n):
    import torch
    from mirzai.network import KexCNN, NetRegressor, Preprocess, SpectralNet
    torch.set_num_threads(1)
    X = library(64).spectra
    pre = Preprocess(len(GRID), 1, 21).learn(torch.from_numpy(X)[:, None])
    net,model = KexCNN(len(GRID)).eval(), NetRegressor()
    model.net_,model.wavenumbers_,model.scale_,model.pipeline_,model.n_features_in_ = SpectralNet(pre, [net]).eval(), GRID, True, None, len(GRID)
    with torch.no_grad():
        x = pre(torch.from_numpy(X[:1])[:, None])
        off = abs(float(net(x))-float(model.predict_scale(X[:1])[0]))
        s = interleaved(dict(plain=lambda: net(x), ours=lambda: model.predict(X[:1])), n//4)
    return row('one', s['plain'], s['ours'], '1 spectrum, 1 network', f'difference {off:.0e}')

def main(n):
    warnings.filterwarnings('ignore')
    rows = [distances(n//2), load(n), one(1000)]
    (HERE/'kernels.json').write_text(json.dumps([dict(job='machine')|machine()]+rows, indent=1)+'\n')

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--soils', type=int, default=4000, help='in the saved model')
    main(p.parse_args().soils)
