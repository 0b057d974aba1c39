"""How exact and how fast is the default explanation of a network? Against an exact reference and Captum, side by side.

    python benchmarks/attribution.py            # 20,000 synthetic soils, 200 explained spectra: about half an hour on two cores
    python benchmarks/attribution.py --quick    # 2,000 soils, 12 spectra: two minutes, nothing worth quoting
"""
import argparse, subprocess, sys, warnings
from pathlib import Path
from time import perf_counter
import numpy as np, torch
from captum.attr import GradientShap
from mirzai.attribution import attribute, differentiable, expected_gradients
from mirzai.experiment import random_split
from mirzai.learner import CNNRegressor
from mirzai.network import KexCNN, Preprocess, SpectralNet
from mirzai.synthetic import synthetic_library
from mirzai.transforms import SNV

def captum(net, z, b, steps, at_once=200):
    "GradientShap spectrum by spectrum, its steps in calls of a size that a processor likes"
    shap, b, out = GradientShap(net.after_snv), torch.from_numpy(b)[:, None], []
    calls = [min(at_once, steps-k) for k in range(0, steps, at_once)]
    for s in torch.from_numpy(z)[:, None, None]:
        parts = [n*shap.attribute(s, b, n_samples=n, stdevs=0.)[0, 0].detach().numpy() for n in calls]
        out.append(sum(parts)/steps)
    return np.array(out)

def alike(a, b): return float(np.median([np.corrcoef(x, y)[0, 1] for x,y in zip(a, b)]))

def steps_for(r, tried):
    "Captum's steps for a correlation, from those tried: 1-r falls as a power of the steps"
    slope, start = np.polyfit(np.log(1-np.array(list(tried.values()))), np.log(list(tried)), 1)
    return int(round(np.exp(start+slope*np.log(1-r))))

def memory():
    "Runs in a process of its own: 4,000 spectra, 1,764 wavenumbers, 100 baselines"
    lib = synthetic_library(4100, 0)
    model = CNNRegressor()
    model.net_, model.wavenumbers_, model.scale_, model.pipeline_, model.n_features_in_ = \
        SpectralNet(Preprocess(1764), [KexCNN(1764)]).eval(), lib.wavenumbers, True, None, 1764
    start = perf_counter(); a = attribute(model, lib[100:], lib[:100])
    peak = next(l for l in Path('/proc/self/status').read_text().splitlines() if l.startswith('VmHWM'))   # of this process alone, Linux
    print(f'memory: {len(a)} spectra x {a.values.shape[1]} x 100 baselines in {perf_counter()-start:.0f} s, peak of the whole process '
          f'{int(peak.split()[1])/1024:.0f} MB')

def main(quick):
    n, explained, positions = (2000, 12, 40) if quick else (20_000, 200, 200)
    lib = synthetic_library(n, 0).select('kex')
    s = random_split(len(lib), 0)
    train, test = lib[s.train], lib[s.test][:explained]
    start = perf_counter(); model = CNNRegressor(recipe='large', epochs=10 if quick else None).fit(train)
    y, t = np.log10(lib[s.test].y()), model.predict_scale(lib[s.test])
    print(f'SYNTHETIC library, {n} soils, random split 0: trained in {perf_counter()-start:.0f} s, test R2 {1-np.mean((y-t)**2)/np.var(y):.3f}')
    f, rows = differentiable(model), np.random.default_rng(0).permutation(len(train))[:100]
    z, b = SNV().fit_transform(test.spectra), SNV().fit_transform(train.spectra[rows])
    start = perf_counter(); exact = expected_gradients(f, z, b, steps=positions)
    print(f'reference: {len(z)} spectra x {len(b)} baselines x {positions} positions in {perf_counter()-start:.0f} s')
    predicted, base = model.predict_scale(test), float(model.predict_scale(train[rows]).mean())
    ours = {k: expected_gradients(f, z, b, steps=k) for k in (1, 4)}
    sums = {'reference': exact, **{f'ours, {k} a path{" (default)"*(k==4)}': v for k,v in ours.items()}}
    tried = {k: captum(model.net_, z, b, k) for k in ((50, 200) if quick else (5, 100, 400, 1600))}
    for name,v in (sums|{f'Captum, {k} steps': v for k,v in tried.items()}).items():
        miss = np.median(np.abs(v.sum(1)-(predicted-base)))/predicted.std()
        print(f'{name}: correlation with the reference, median over spectra {alike(v, exact):.4f}; median completeness error {miss:.2%} of the spread')
    r = {k: alike(v, exact) for k,v in tried.items() if k>5}
    few = z[:6 if quick else 20]
    for k,v in ours.items():
        m, times = steps_for(alike(v, exact), r), []
        for _ in range(3):                                                   # interleaved, median
            t0 = perf_counter(); captum(model.net_, few, b, m)
            t1 = perf_counter(); expected_gradients(f, few, b, steps=k)
            times.append((t1-t0, perf_counter()-t1))
        theirs, mine = np.median(times, 0)/len(few)
        print(f'ours, {k} a path, and Captum with {m} steps, of equal correlation: {1e3*mine:.0f} and {1e3*theirs:.0f} ms a spectrum, '
              f'ratio {theirs/mine:.1f} ({torch.get_num_threads()} threads)')
    subprocess.run([sys.executable, __file__, '--memory'], check=True)

if __name__=='__main__':
    p = argparse.ArgumentParser(); p.add_argument('--quick', action='store_true'); p.add_argument('--memory', action='store_true')
    a = p.parse_args(); warnings.filterwarnings('ignore')
    memory() if a.memory else main(a.quick)
