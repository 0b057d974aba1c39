"""Which recipe is soonest as good as the paper's? `python benchmarks/recipe.py [--out FOLDER] [--jobs 2]`

Trains the paper's recipe and the one-cycle candidates below on a SYNTHETIC library of 20,000 soils, random splits by sample (80/10/10, seed 0 to
4), and keeps the validation R2 after every epoch and the seconds of every fit. Goes on where it was stopped. The test parts are never looked at.
The kept tables, nbs/results/recipe_*.parquet, are `epochs.parquet` and `fits.parquet` of such a folder, filled in several runs (`--names`,
`--seeds`): one or two splits for most candidates, five for the last ones and the paper. `nbs/studies/recipe.ipynb` reads them.
"""
import os
os.environ['OMP_NUM_THREADS'] = '1'
import argparse, time
import numpy as np, pandas as pd
from pathlib import Path

LARGE = dict(epochs=20, lr=1e-2, bs=128, wd=.01, dropout=.2, mixup=0, deriv=0, window=11, pool=1, schedule='one-cycle', init='torch', nets=1,
             augment={})
TRIED = {
    'paper': dict(schedule='cyclic', init='paper', epochs=201, lr=1e-3, bs=32, wd=0., dropout=.4),
    **{f'{e} epochs': dict(epochs=e) for e in (3, 5, 8, 12, 20)},
    **{f'8 epochs, rate {lr:g}': dict(epochs=8, lr=lr) for lr in (3e-3, 2e-2, 3e-2)},
    **{f'8 epochs, batch {bs}': dict(epochs=8, bs=bs) for bs in (32, 64, 256)},
    **{f'8 epochs, dropout {d:g}': dict(epochs=8, dropout=d) for d in (0., .4)},
    **{f'8 epochs, decay {d:g}': dict(epochs=8, wd=d) for d in (0., .1)},
    "8 epochs, the paper's initial weights": dict(epochs=8, init='paper'),
    '8 epochs, moving average': dict(epochs=8, average=.98),
    **{f'{e} epochs, derivative': dict(epochs=e, deriv=1) for e in (3, 5, 8, 12)},
    "5 epochs, derivative, the paper's initial weights": dict(epochs=5, deriv=1, init='paper'),
    "8 epochs, derivative, the paper's initial weights": dict(epochs=8, deriv=1, init='paper'),
    '8 epochs, derivative, pairs of points': dict(epochs=8, deriv=1, pool=2),
    '12 epochs, derivative, pairs of points': dict(epochs=12, deriv=1, pool=2),
    '8 epochs, derivative, rate 0.02': dict(epochs=8, deriv=1, lr=2e-2),
    '8 epochs, derivative, batch 64': dict(epochs=8, deriv=1, bs=64),
    '8 epochs, derivative, dropout 0': dict(epochs=8, deriv=1, dropout=0.),
    '8 epochs, derivative, dropout 0, rate 0.02': dict(epochs=8, deriv=1, dropout=0., lr=2e-2),
    '8 epochs, derivative, dropout 0, rate 0.02, two networks': dict(epochs=8, deriv=1, dropout=0., lr=2e-2, nets=2),
    '12 epochs, derivative, dropout 0, rate 0.02': dict(epochs=12, deriv=1, dropout=0., lr=2e-2),
    '12 epochs, derivative, pairs of points, dropout 0': dict(epochs=12, deriv=1, pool=2, dropout=0.),
    '8 epochs, derivative, window 21': dict(epochs=8, deriv=1, window=21),
    '8 epochs, derivative, decay 0.1': dict(epochs=8, deriv=1, wd=.1),
}

def moving_average(decay):
    "A moving average of the weights instead of the end of the cycle: validated and kept in place of the last ones"
    from fastai.basics import Callback
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    class MovingAverage(Callback):
        def before_fit(self): self.mean = AveragedModel(self.learn.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        def after_step(self): self.mean.update_parameters(self.learn.model)
        def swap(self):
            a, b = self.learn.model.state_dict(), self.mean.module.state_dict()
            for k in a: x = a[k].clone(); a[k].copy_(b[k]); b[k].copy_(x)
        def before_validate(self): self.swap()
        def after_validate(self):
            if self.epoch<self.n_epoch-1: self.swap()
    return MovingAverage()

def work(lib, task):
    "One fit, its validation R2 by epoch"
    from fastai.basics import Learner
    from mirzai import learner
    from mirzai.experiment import random_split
    learner.RECIPES['tried'] = LARGE|{k: v for k,v in task.items() if k in LARGE}
    learner.PAYS, plain, cycle = 0, learner.cnn_learner, Learner.fit_one_cycle
    if 'average' in task:
        learner.cnn_learner = lambda *a, **k: plain(*a, **k|dict(cbs=[*k['cbs'], moving_average(task['average'])]))
        Learner.fit_one_cycle = lambda self, n, lr: cycle(self, n, lr, div_final=4)   # the rate ends at a quarter of its start, not at nothing
    s = random_split(len(lib), task['seed'])
    start, cpu = time.perf_counter(), time.process_time()
    try: m = learner.CNNRegressor('tried', seed=task['seed']).fit(lib[s.train], valid=lib[s.valid])
    finally: learner.cnn_learner, Learner.fit_one_cycle = plain, cycle
    took, cpu = time.perf_counter()-start, time.process_time()-cpu
    t = np.log10(lib[s.valid].y())
    r2 = 1-m.valid_errors_.mean(1)/t.var()
    final = 1-np.mean((m.predict_scale(lib[s.valid])-t)**2)/t.var()
    return dict(epochs=pd.DataFrame(dict(name=task['name'], seed=task['seed'], epoch=np.arange(1, len(r2)+1), r2=r2)),
                fits=pd.DataFrame([dict(name=task['name'], seed=task['seed'], n=len(s.train), seconds=took, cpu=cpu, r2=final)]))

def main(out, names, seeds, jobs):
    from mirzai.experiment import made_by
    from mirzai.sweep import Store, sweep
    from mirzai.synthetic import synthetic_library
    lib = synthetic_library(20_000, 0).select('kex')
    tasks = [dict(name=n, seed=s, **TRIED[n]) for s in seeds for n in names]
    store = Store(Path(out), made_by()|dict(what='recipes', n=20_000))
    sweep(lib, tasks, work, store, jobs, cost=lambda t: t['epochs'])
    tables = store.gather()
    print(tables['fits'].groupby('name')[['seconds', 'r2']].agg(['mean', 'std', 'count']).round(4).to_string())

if __name__=='__main__':
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--out', default='recipe-search'); a.add_argument('--jobs', type=int); a.add_argument('--seeds', type=int, default=5)
    a.add_argument('--names', nargs='*', default=list(TRIED))
    a = a.parse_args(); main(a.out, a.names, range(a.seeds), a.jobs)
