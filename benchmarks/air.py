"""What leaving the air out costs the pretrained kernel network: `python benchmarks/air.py`

Ten folds, two repeats, all usable soils of the bundled sample; hyperparameters tuned once a way, on the first training part. Three ways of
treating 2269 to 2389 cm-1: as measured, a straight line in its place (what is shipped), and a hole, as where an instrument measured nothing.
Prints R2 of log10 Kex, over all soils and from 0.12 cmol(+)/kg up. About a minute and a half on one core.
"""
import os, warnings
os.environ.setdefault('OMP_NUM_THREADS', '1')
import numpy as np, torch
from scipy.linalg import cho_factor, cho_solve
from mirzai.backbone import FLAT_FEATURE, STAGES, WORLD_GRID, line_over, load_backbone
from mirzai.experiment import kfold_splits
from mirzai.gpr import air_gap, known_noise, rq, squared, tune
from mirzai.loading import load_sample
from mirzai.metrics import r2

def features(lib, way):
    backbone = load_backbone()
    look = backbone.input_layer(lib.wavenumbers)
    z,have = look.snv(torch.from_numpy(lib.spectra)[:, None]), look.have.clone()
    if way=='hole': have[..., air_gap(WORLD_GRID)[0]] = 0
    if way!='as measured': z = line_over(z, look.air)
    with torch.no_grad():
        parts = [backbone.net.stages(look.standard(look.on_grid(x), have), STAGES) for x in z.split(256)]
    return [torch.cat(v).double().numpy() for v in zip(*parts)]

def kernel(D, theta): return sum(rq(d, theta[3*i:3*i+3]) for i,d in enumerate(D))

def predicted(V, t, train, test, theta):
    "Predictions of a fold, and the hyperparameters"
    middle,spread = [v[train].mean(0) for v in V], [v[train].std(0) for v in V]
    spread = [np.where(s<FLAT_FEATURE, 1., s) for s in spread]
    known,new = ([(v[rows]-m)/s for v,m,s in zip(V, middle, spread)] for rows in (train, test))
    mean,sd = t[train].mean(), t[train].std()
    own,y = known_noise(t[train], .04)/sd**2, (t[train]-mean)/sd
    D = [squared(a) for a in known]
    if theta is None: theta = tune(D, y, own)[0]
    K = kernel(D, theta)
    K.flat[::len(y)+1] += np.exp(theta[-1])+own+1e-8
    return kernel([squared(b, a) for a,b in zip(known, new)], theta)@cho_solve(cho_factor(K, lower=True), y)*sd+mean, theta

def main():
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    lib = load_sample().usable('kex')
    t,rich = np.log10(lib.floored('kex')), lib.y('kex')>=.12
    for way in ('as measured', 'line', 'hole'):
        V,theta,out = features(lib, way), None, []
        for repeat in (0, 1):
            p = np.empty(len(t))
            for s in kfold_splits(len(t), 10, repeat):
                train = np.setdiff1d(np.arange(len(t)), s.test)
                p[s.test],theta = predicted(V, t, train, s.test, theta)
            out.append((r2(t, p), r2(t[rich], p[rich])))
        print('{:12s} R2 {:.3f} of all, {:.3f} from 0.12 up'.format(way, *np.mean(out, 0)), flush=True)

if __name__=='__main__': main()
