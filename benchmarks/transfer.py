"""How far does a network get that was pretrained on made-up spectra? `python benchmarks/transfer.py PART [--out FOLDER] [--jobs 2] [--repeats N]`

PART  curve     10-fold cross-validation on the real sample with 50, 100, 200 or 300 of each fold's training samples: PLSR, GPR, the CNN from
                scratch, both with the backbone, the backbone fine-tuned (on all of them: `mirzai evaluate --folds 10`, as the notebook says)
      networks  on all samples: two networks from nothing at full resolution; two networks fine-tuned
      tried     everything else that was tried, one network a fit: ways to teach the network, features, kernels, worlds, seeds
      limesoda  clay, organic carbon and pH of LimeSoDa's five MIR sets, in their own ten folds
Everything is fitted and tuned inside the training part of its fold; predictions of the test part are kept, on the model's scale. Goes on where it
was stopped. The kept tables, nbs/results/transfer_PART.parquet, are `predictions.parquet` of such folders; nbs/studies/few_soils.ipynb reads them.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, copy, time, warnings
import numpy as np, pandas as pd
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

MAIN = 'plsr gpr cnn gpr-transfer cnn-transfer fine-tuned'.split()
SIZES = (50, 100, 200, 300)

# --- ways to teach the network: what differs from the recipe `fine-tune`, or one of `hooks`
FINE = {'as it is': {}, 'frozen: ridge on the features': dict(hook='frozen'), 'last layer from random weights': dict(hook='random_head'),
        'statistics of the batches': dict(hook='batch_statistics'), 'all five stages and the 20 neurons': dict(hook='whole'),
        'one rate for all layers': dict(hook='one_rate'), 'gradual unfreezing': dict(hook='gradual'), 'snapshots of the last epochs': dict(hook='snapshots'),
        'mixup': dict(mixup=1.), 'no augmentation': dict(augment={}), 'strong augmentation': dict(augment='small'),
        'dropout 0.5': dict(dropout=.5), '40 epochs': dict(epochs=40),
        'rate 0.003': dict(lr=3e-3), 'with CEC, carbon and clay': dict(hook='multitask')}
# --- what a Gaussian process sees: derivatives?, stages, weights
ALL = (2, 3, 4, 5)
SEES = {'stage 4': (False, (4,), 'shipped'), 'stage 5': (False, (5,), 'shipped'), 'stages 4 and 5': (False, (4, 5), 'shipped'),
        'stages 3 to 5': (False, (3, 4, 5), 'shipped'), 'all five stages': (False, (1, 2, 3, 4, 5), 'shipped'), 'input alone': (False, (0,), 'shipped'),
        'input and all five stages': (False, (0, 1, 2, 3, 4, 5), 'shipped'), 'derivatives, stages 2 to 5': (True, ALL, 'shipped'),
        'derivatives, stage 4': (True, (4,), 'shipped'), 'derivatives, stage 5': (True, (5,), 'shipped'),
        'derivatives, stages of random weights': (True, (4, 5), 'random'), 'stages of random weights': (False, (4, 5), 'random'),
        'stages 2 to 5 of random weights': (False, ALL, 'random'),
        'derivatives, stages after real spectra without labels': (True, (4, 5), 'unlabelled'),
        'stages 2 to 5 after real spectra without labels': (False, ALL, 'unlabelled')}
OTHER = {'ridge regression on stages 2 to 5': 'ridge', 'stages 4 and 5, weights moved by marginal likelihood': 'evidence'}
SEEDS = {f'{what}, seed {s}': (s, derivatives, stages) for s in (1, 2)
         for what,derivatives,stages in (('stages 2 to 5', False, ALL), ('derivatives, stages 4 and 5', True, (4, 5)))}
# --- worlds: 100,000 soils each
WORLDS = {'one world': dict(move=0., width=0., height=0., missing=0., strangers=0), 'worlds half as far': dict(move=10., width=.25, height=.5, missing=.12, strangers=4),
          'worlds as shipped': {}, 'worlds twice as far': dict(move=40., width=.8, height=1.5, missing=.4, strangers=12),
          'as shipped, 128 soils a world': dict(a_world=128), 'as shipped, another seed': dict(seed=1)}
WORLD_SEES = {'worlds': (True, (4, 5)), 'worlds, stages 2 to 5': (False, ALL)}
SEEN = 800_000   # soils of a backbone of another seed, as many as the shipped one's

def hooks(kind):
    "Patches of the package for one fit"
    from fastai.basics import Callback, Learner
    from mirzai import backbone, learner
    import torch
    one_cycle, ridge = Learner.fit_one_cycle, backbone.ridge_head
    def random_head(net, z, t):
        ridge(net, z, t); net[-1].reset_parameters(); return net
    def whole(self, dropout=.2):
        net = copy.deepcopy(self.net).requires_grad_(True)
        net[-1] = torch.nn.Linear(20, 1); net[21].p = dropout
        return net
    def gradual(self, n, lr):
        self.freeze(); one_cycle(self, 3, lr); self.freeze_to(-2); one_cycle(self, 3, lr); self.freeze_to(-3); one_cycle(self, 3, lr)
        self.unfreeze(); one_cycle(self, n-9, lr)
    return dict(frozen=[patch.object(Learner, 'fit_one_cycle', lambda self, n, lr: None)],
                random_head=[patch.object(learner, 'ridge_head', random_head)],
                batch_statistics=[patch.object(learner, 'KeepStats', Callback)],
                whole=[patch.object(backbone.Backbone, 'fine', whole), patch.object(learner, 'ridge_head', lambda net, z, t: net),
                       patch.object(learner, 'HEAD', 1.)],
                one_rate=[patch.object(learner, 'HEAD', 1.)], gradual=[patch.object(Learner, 'fit_one_cycle', gradual)]).get(kind, [])

def fine(train, test, seed, hook=None, nets=1, **changes):
    "A pretrained network, taught in another way"
    from fastai.basics import Callback, Learner
    from mirzai import learner
    recipe = learner.RECIPES['fine-tune']|dict(nets=nets)|changes
    if recipe['augment']=='small': recipe['augment'] = learner.RECIPES['small']['augment']
    if hook=='multitask': return multitask(train, test, seed, recipe)
    kept = []
    class Snapshots(Callback):
        def after_epoch(self):
            if self.epoch>=self.n_epoch-5: kept.append(copy.deepcopy(self.learn.model).eval())
    with ExitStack() as stack:
        for p in hooks(hook): stack.enter_context(p)
        stack.enter_context(patch.dict(learner.RECIPES, {'fine-tune': recipe}))
        if hook=='snapshots':
            plain = Learner.fit_one_cycle
            stack.enter_context(patch.object(Learner, 'fit_one_cycle', lambda self, n, lr: plain(self, n, lr, cbs=[Snapshots()])))
        m = learner.CNNRegressor('fine-tune', pretrained=True, seed=seed).fit(train)
    if kept: m.net_.nets = type(m.net_.nets)(kept)
    return m.predict_scale(test)

def multitask(train, test, seed, r):
    "Potassium, exchange capacity, carbon and clay at once, four outputs on the same features"
    import torch
    from mirzai.backbone import load_backbone, ridge_head
    from mirzai.datablock import Augment
    from mirzai.learner import by_depth, seeded
    from soilspecdl.dataloader import TensorSpectrum
    p = train.properties
    T = np.c_[np.log10(p.kex), np.log10(p.cec), np.log10(p.oc.clip(.05)), p.clay]
    mu, sd = T.mean(0), T.std(0); t = torch.from_numpy((T-mu)/sd).float()
    b = load_backbone(); look, X = b.input_layer(train.wavenumbers), torch.from_numpy(train.spectra)[:, None]
    with seeded(seed):
        heads = [ridge_head(b.fine(r['dropout']), look(X), t[:, k].numpy())[-1] for k in range(4)]
        net = ridge_head(b.fine(r['dropout']), look(X), t[:, 0].numpy())
        net[-1] = torch.nn.Linear(net[-1].in_features, 4)
        with torch.no_grad():
            net[-1].weight.copy_(torch.cat([h.weight for h in heads])); net[-1].bias.copy_(torch.cat([h.bias for h in heads]))
        rates = [r['lr']]*3+[.05*r['lr']]
        opt = torch.optim.AdamW([dict(params=g, lr=l) for g,l in zip(by_depth(net), rates)], weight_decay=r['wd'])
        n, aug = len(X), Augment(**r['augment'])
        plan = torch.optim.lr_scheduler.OneCycleLR(opt, rates, total_steps=r['epochs']*(n//r['bs'])+1, pct_start=.25)
        for _ in range(r['epochs']):
            for i in torch.randperm(n).split(r['bs']):
                if len(i)<r['bs']: continue
                net.train()
                for l in net.modules():
                    if isinstance(l, torch.nn.BatchNorm1d): l.eval()
                z = look(aug.encodes(TensorSpectrum(X[i])))
                loss = ((net(z)-t[i])**2).mean()
                opt.zero_grad(); loss.backward(); opt.step(); plan.step()
        with torch.no_grad(): return net.eval()(look(torch.from_numpy(test.spectra)[:, None]))[:, 0].double().numpy()*sd[0]+mu[0]

def unlabelled(train, seed, epochs=15):
    "Never shipped: the backbone goes on with real spectra, no labels: what was the spectrum before it was disturbed?"
    import torch
    from mirzai.backbone import load_backbone
    from mirzai.datablock import Augment
    from mirzai.learner import seeded
    from soilspecdl.dataloader import TensorSpectrum
    b = copy.deepcopy(load_backbone()); look, X = b.input_layer(train.wavenumbers), torch.from_numpy(train.spectra)[:, None]
    with seeded(seed):
        last = torch.nn.Linear(1536, 81); aug = Augment(offset=.05, slope=.05, gain=.1, shift=2., noise=.004)
        with torch.no_grad(): clean = look(X)
        wanted = torch.nn.functional.avg_pool1d(clean, 21)[:, 0]; wanted = (wanted-wanted.mean(0))/wanted.std(0)
        body = list(b.net.requires_grad_(True).parameters())
        rates = [3e-4, 3e-3]; opt = torch.optim.AdamW([dict(params=body, lr=3e-4), dict(params=last.parameters(), lr=3e-3)], weight_decay=.01)
        plan = torch.optim.lr_scheduler.OneCycleLR(opt, rates, total_steps=epochs*(len(X)//32)+1)
        for _ in range(epochs):
            for i in torch.randperm(len(X)).split(32):
                if len(i)<32: continue
                z = look(aug.encodes(TensorSpectrum(X[i])))
                hide = (torch.rand(32, 1, 27)>.25).float().repeat_interleave(63, 2)     # pieces of 126 cm-1 are covered up
                loss = ((last(b.net.stages(z*hide)[1])-wanted[i])**2).mean()
                opt.zero_grad(); loss.backward(); opt.step(); plan.step()
    b.net.requires_grad_(False)
    return b

def random_weights(seed):
    "The same stages with nothing learnt, statistics of the worlds"
    import torch
    from mirzai.backbone import load_backbone
    from mirzai.worlds import soils
    b = copy.deepcopy(load_backbone())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for l in b.net.modules():
            if hasattr(l, 'reset_parameters'): l.reset_parameters()
    A, have, _ = soils(7)
    with torch.no_grad():
        for z in b.input_layer(np.arange(600, 4001, 2.)).of_soils(A, have).split(128): b.net.train()(z)
    b.net.eval()
    return b

def process(train, test, seed, derivatives, stages, weights, target='kex'):
    "A Gaussian process on some of the views"
    import torch
    from mirzai.backbone import load_backbone
    from mirzai.gpr import GPR, views
    b = load_backbone() if weights=='shipped' else random_weights(seed) if weights=='random' else unlabelled(train, seed) if weights=='unlabelled' else weights
    look = b.input_layer(train.wavenumbers)
    def seen(X):
        with torch.no_grad(): z = look(torch.from_numpy(np.asarray(X, dtype=np.float32))[:, None]); out = [z.flatten(1)]+b.net.stages(z, (1, 2, 3, 4, 5))
        return [out[k].double().numpy() for k in stages]
    class Some(GPR):
        def _views(self, X, window): return (views(X, window) if derivatives else [])+seen(X)
    return Some(target, windows=(11, 21, 31) if derivatives else (21,)).fit(train).predict_scale(test)

def ridge(train, test, seed):
    "Ridge regression on stages 2 to 5, each stage given the same weight; the penalty by leave-one-out"
    import torch
    from sklearn.linear_model import RidgeCV
    from mirzai.backbone import load_backbone
    b = load_backbone(); look, y = b.input_layer(train.wavenumbers), np.log10(train.y())
    with torch.no_grad(): A, B = ([v.double().numpy() for v in b.net.stages(look(torch.from_numpy(l.spectra)[:, None]), ALL)] for l in (train, test))
    B = np.hstack([(b-a.mean(0))/(a.std(0)+1e-6)/a.shape[1]**.5 for a,b in zip(A, B)]); A = np.hstack([(a-a.mean(0))/(a.std(0)+1e-6)/a.shape[1]**.5 for a in A])
    return RidgeCV(10**np.arange(-3, 2, .25)).fit(A, y).predict(B)

def evidence(train, test, seed, steps=30):
    "A deep kernel: stages 3 to 5 go where the marginal likelihood of a Gaussian process on stages 4 and 5 grows (Wilson and others 2016, arXiv 1511.02222)"
    import torch
    from mirzai.backbone import load_backbone
    from mirzai.gpr import apart, tune
    b = copy.deepcopy(load_backbone()); look, y = b.input_layer(train.wavenumbers), np.log10(train.y())
    m, sd = y.mean(), y.std(); t = torch.from_numpy((y-m)/sd); low = [look(torch.from_numpy(l.spectra)[:, None]) for l in (train, test)]
    features = lambda z: b.net.stages(z, (4, 5))
    with torch.no_grad(): V = features(low[0]); mean, spread = [v.mean(0) for v in V], [v.std(0).clamp_min(1e-6) for v in V]
    views = lambda z: [((v-a)/s).double() for v,a,s in zip(features(z), mean, spread)]
    with torch.no_grad(): theta = torch.tensor(tune(apart([v.numpy() for v in views(low[0])]), t.numpy())[0], requires_grad=True)
    body = [p for l in list(b.net)[8:20] for p in l.requires_grad_(True).parameters()]
    opt = torch.optim.Adam([dict(params=body, lr=1e-4), dict(params=[theta], lr=.02)])
    def kernel(A, B):
        d2 = [((x*x).sum(1)[:, None]+(z*z).sum(1)-2*x@z.T).clamp_min(0) for x,z in zip(A, B)]
        return sum(s*(1+d/(2*a*l*l))**-a for d,(s,l,a) in zip(d2, theta[:-1].exp().split(3)))
    full = lambda A: kernel(A, A)+(theta[-1].exp()+1e-8)*torch.eye(len(t), dtype=torch.double)
    for _ in range(steps):
        L = torch.linalg.cholesky(full(views(low[0])))
        loss = .5*t@torch.cholesky_solve(t[:, None], L)[:, 0]+L.diagonal().log().sum()
        opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad(): A = views(low[0]); return (kernel(views(low[1]), A)@torch.linalg.solve(full(A), t)).numpy()*sd+m

def world(folder, how, soils=100_000):
    "A backbone of soils of other worlds, or of another seed, made once"
    from mirzai import backbone, worlds
    path, each = Path(folder), how.get('a_world', worlds.A_WORLD)
    seed, how = how.get('seed', 0), {k: v for k,v in how.items() if k not in ('a_world', 'seed')}
    if not (path/'backbone.json').exists():
        plain, start = backbone.soils, time.perf_counter()
        with patch.object(backbone, 'soils', lambda s, i=0: plain(s, i, how=worlds.WORLD|how)), patch.object(worlds, 'A_WORLD', each):
            backbone.save_backbone(path, backbone.pretrain(soils, seed), seed, time.perf_counter()-start)
    return backbone.load_backbone(path)

def fit(lib, task):
    "One fit; predictions of the test part on the model's scale"
    from mirzai.experiment import kfold_splits, make_model
    target, name, seed = task['target'], task['name'], task['repeat']
    if task['part']=='limesoda':
        fold = lib.properties.fold.to_numpy()
        train, test = np.flatnonzero(fold!=task['fold']+1), np.flatnonzero(fold==task['fold']+1)
    else: train, _, test = kfold_splits(len(lib), 10, seed)[task['fold']]
    train = np.random.default_rng([seed, task['fold']]).permutation(train)[:task['size']]
    start, a, b = time.perf_counter(), lib[np.sort(train)], lib[test]
    key = 1000*seed+10*task['fold']
    if task['part']=='tried':
        kind, name_ = name.split(': ', 1)
        if kind=='network': p = fine(a, b, key, **FINE[name_])
        elif kind=='process': p = process(a, b, key, *SEES[name_])
        elif kind=='other': p = dict(ridge=ridge, evidence=evidence)[OTHER[name_]](a, b, key)
        elif kind=='seeds': p = process(a, b, key, *SEEDS[name_][1:], world(Path(task['folder'])/f'seed-{SEEDS[name_][0]}', dict(seed=SEEDS[name_][0]), SEEN))
        else: p = process(a, b, key, *WORLD_SEES[kind], world(Path(task['folder'])/name_.replace(' ', '-'), WORLDS[name_]))
    elif name=='full resolution': p = scratch(a, b, key)
    elif name=='fine-tuned': p = make_model('cnn', target, key, recipe='fine-tune', pretrained=True).fit(a).predict_scale(b)
    else: p = make_model(name, target, key, n=len(a)).fit(a).predict_scale(b)
    y = b.y(target); scale = make_model('plsr', target)._scale()
    return dict(predictions=pd.DataFrame(dict(set=lib.name, target=target, name=name, repeat=seed, fold=task['fold'], size=task['size'] or 0, n=len(a),
                                              id=b.ids, observed=np.log10(y) if scale else y, predicted=p)),
                fits=pd.DataFrame([dict(set=lib.name, target=target, name=name, repeat=seed, fold=task['fold'], n=len(a), seconds=time.perf_counter()-start)]))

def scratch(train, test, seed):
    "The small recipe at full resolution, from nothing, two networks of 40 epochs"
    from mirzai import learner
    with patch.dict(learner.RECIPES, small=learner.RECIPES['small']|dict(pool=1, epochs=40)):
        return learner.CNNRegressor(seed=seed).fit(train).predict_scale(test)

def main(part, out, jobs, repeats, names):
    from mirzai.loading import LIMESODA_MIR, load_limesoda, load_sample
    from mirzai.sweep import Store, sweep
    start = time.perf_counter()
    task = lambda **k: dict(part=part, target='kex', size=None, folder=str(Path(out)/'worlds'))|k
    ways = dict(network=FINE, process=SEES, other=OTHER, seeds=SEEDS)|{k: WORLDS for k in WORLD_SEES}
    of = {'curve': MAIN, 'limesoda': MAIN, 'networks': ['full resolution', 'fine-tuned'], 'tried': [f'{k}: {n}' for k,names in ways.items() for n in names]}[part]
    of = [n for n in of if not names or n in names]
    runs = [(r, f) for r in range(repeats) for f in range(10)]
    if part=='limesoda':
        jobs_of = [(load_limesoda(s), [task(name=n, repeat=r, fold=f, target=t) for t in ('clay', 'oc', 'ph') for n in of for r,f in runs]) for s in LIMESODA_MIR]
    else:
        sizes = SIZES if part=='curve' else (None,)
        jobs_of = [(load_sample().select('kex'), [task(name=n, repeat=r, fold=f, size=z) for n in of for z in sizes for r,f in runs])]
    if part=='tried':
        for k,how in WORLDS.items():
            if any(f'{w}: {k}' in of for w in WORLD_SEES): world(Path(out)/'worlds'/k.replace(' ', '-'), how)
        for k,(seed,*_) in SEEDS.items():
            if f'seeds: {k}' in of: world(Path(out)/'worlds'/f'seed-{seed}', dict(seed=seed), SEEN)
    from mirzai.experiment import made_by
    for lib,tasks in jobs_of:
        store = Store(Path(out)/part/lib.name.replace(' ', '-'), made_by()|dict(what=f'transfer {part}'))
        with warnings.catch_warnings(): warnings.simplefilter('ignore'); sweep(lib, tasks, fit, store, jobs, cost=lambda t: 5 if t['name'] in ('cnn', 'fine-tuned') or 'network' in t['name'] else 1)
        store.gather()
    folders = [Path(out)/part/lib.name.replace(' ', '-') for lib,_ in jobs_of]
    p = pd.concat([pd.read_parquet(f/'predictions.parquet') for f in folders])
    p = p[p.groupby(['set', 'target', 'name', 'size', 'repeat']).fold.transform('nunique')==10]     # a set that lacks a fold is no score yet
    p.astype({c: 'category' for c in ('set', 'target', 'name', 'id')}|{c: 'float32' for c in ('observed', 'predicted')}|{c: 'int16' for c in ('repeat', 'fold', 'size', 'n')}
             ).to_parquet(Path(out)/f'transfer_{part}.parquet', index=False, compression='zstd')
    r2 = lambda t: 1-((t.observed-t.predicted)**2).sum()/((t.observed-t.observed.mean())**2).sum()
    by = [k for k in ('set', 'target', 'size') if p[k].nunique()>1]
    score = p.groupby([*by, 'name', 'repeat'], sort=False, observed=True)[['observed', 'predicted']].apply(r2)
    print(score.groupby([*by, 'name'], sort=False, observed=True).agg(['mean', 'std', 'count']).round(4).to_string())
    print(f'{part}: {time.perf_counter()-start:.0f} s this time, {jobs or "all"} jobs')

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('part', choices=['curve', 'networks', 'tried', 'limesoda']); a.add_argument('--out', default='transfer'); a.add_argument('--jobs', type=int)
    a.add_argument('--repeats', type=int, default=2); a.add_argument('--names', nargs='*'); a = a.parse_args()
    main(a.part, a.out, a.jobs, a.repeats, a.names)
