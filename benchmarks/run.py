"""Every job against the plain public way, side by side: `python benchmarks/run.py [--quick] [--only JOB ...]`

    train_step    a spectrum through training, one thread: an eager PyTorch loop, fp32, batches of 32 from a DataLoader, against our Learner
    time_to_r2    until the paper's recipe reaches its validation R2, against the default recipe; epochs from `benchmarks/recipe.py`
    splits20      twenty splits on two cores: plain, one after the other with both cores, to the early stop, against our sweep
    plsr_sweep    twenty splits, 1 to 40 components: scikit-learn refitted for each count, against shared Gram matrices
    predict       4,000 spectra: one eager batch, against ours
    attribution   a spectrum explained: Captum's GradientShap at equal correlation with the exact answer, against ours
    load_memory   read, select, transform a library of 50,494 spectra: pandas and whole arrays, against part by part
    import        the packages mirzai stands on, against `from mirzai.all import *`
    growth        how cost grows with samples, wavenumbers and components
    tried         what was tried for training and did not help: a ratio above 1 would have helped

Both sides run in the same process, in turns; medians of wall time. Writes benchmarks/results.json: a row has job, plain_s, ours_s, ratio, size, note.
All spectra are SYNTHETIC, of the real shape. About twenty minutes on two cores; --quick, three minutes and nothing worth quoting, writes to
results-quick.json. Let nothing else run beside it.
"""
import argparse, json, os, platform, subprocess, sys, tempfile, time, warnings
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

def interleaved(ways, rounds=5):
    "Median seconds of each way, taken in turns"
    took = {k: [] for k in ways}
    for r in range(rounds+1):
        for k,f in ways.items():
            start = time.perf_counter(); f()
            if r: took[k].append(time.perf_counter()-start)   # the first round warms up
    return {k: float(np.median(v)) for k,v in took.items()}

def row(job, plain, ours, size, note, **more):
    out = dict(job=job, plain_s=plain, ours_s=ours, ratio=plain/ours, size=size, note=note)|more
    print(f'{job:12s} {size:46s} plain {plain:10.4g} s  ours {ours:10.4g} s  ratio {plain/ours:7.1f}  {note}', flush=True)
    return out

def machine():
    import torch, sklearn, fastai
    from mirzai.learner import native_bf16
    info = Path('/proc/cpuinfo').read_text().splitlines() if Path('/proc/cpuinfo').exists() else []
    cpu = next((l.split(':')[1].strip() for l in info if l.startswith('model name')), platform.processor())
    return dict(processor=cpu, cores=os.cpu_count(), amx=native_bf16(), vectors=torch.backends.cpu.get_cpu_capability(), system=platform.platform(terse=True),
                python=platform.python_version(), torch=torch.__version__, sklearn=sklearn.__version__, fastai=fastai.__version__)

def library(n):
    "A synthetic library cut to size, so that shapes are those that are said"
    from mirzai.synthetic import synthetic_library
    return synthetic_library(int(1.4*n)+100, 0).select('kex')[:n]

# --- training -------------------------------------------------------------------------------------------------------------------------------

def plain_net(p, dropout=.4):
    "The paper's network as anybody would write it"
    from torch import nn
    c, l = (1, 16, 32, 64, 128, 256), p
    for _ in range(5): l = (l-2)//3
    stages = [m for i,o in zip(c, c[1:]) for m in (nn.Conv1d(i, o, 3, bias=False), nn.BatchNorm1d(o), nn.LeakyReLU(.1), nn.AvgPool1d(3))]
    return nn.Sequential(*stages, nn.Flatten(), nn.Dropout(dropout), nn.Linear(256*l, 20), nn.BatchNorm1d(20), nn.LeakyReLU(.1), nn.Linear(20, 1))

def plain_trainer(X, t, bs=32, net=None, lr=1e-3, autocast=False, workers=0):
    "A plain loop: Dataset, DataLoader, SNV of each item, Adam; called, it runs one epoch"
    import torch
    from torch.utils.data import DataLoader, Dataset
    class Spectra(Dataset):
        def __len__(self): return len(X)
        def __getitem__(self, i): x = X[i]; return torch.from_numpy((x-x.mean())/x.std())[None], torch.tensor([t[i]])
    net = (plain_net(X.shape[1]) if net is None else net).train()
    opt, loss = torch.optim.Adam(net.parameters(), lr), torch.nn.MSELoss()
    dl = DataLoader(Spectra(), bs, shuffle=True, drop_last=True, num_workers=workers)
    def epoch():
        for x,y in dl:
            with torch.autocast('cpu', torch.bfloat16, enabled=autocast): out = loss(net(x).float(), y)
            opt.zero_grad(); out.backward(); opt.step()
    return epoch

def our_trainer(X, t, bs=128, fused=True, dropout=.2, **kw):
    "Our Learner over the same spectra; called, it runs one epoch of a one-cycle that never ends"
    import torch
    from fastai.basics import noop
    from fastai.callback.progress import ProgressCallback
    from mirzai.datablock import spectral_dls
    from mirzai.learner import Fused, cnn_learner
    from mirzai.library import SpectralLibrary
    from mirzai.network import Preprocess
    pre = Preprocess(X.shape[1]).learn(torch.from_numpy(X)[:, None])
    lib = SpectralLibrary(X, np.arange(X.shape[1]), pd.DataFrame(dict(t=t)))
    learn = cnn_learner(spectral_dls(lib, None, 't', bs, prepare=pre), X.shape[1], dropout, cbs=[Fused(**kw)]*fused)
    learn.remove_cb(ProgressCallback); learn.logger = noop
    return partial(learn.fit, 1, 1e-3)

def peer_trainer(X, t, bs=32):
    "soilspecdl: its DataLoaders, network and Learner"
    from fastai.basics import noop
    from fastai.callback.progress import ProgressCallback
    from soilspecdl.dataloader import get_spectral_dls
    from soilspecdl.learner import spectral_learner
    from soilspecdl.models import MirzaiCNN
    from soilspecdl.transforms import BatchSNV
    few = lambda X, y: (np.arange(len(X)-8), np.arange(len(X)-8, len(X)-4), np.arange(len(X)-4, len(X)))
    dls, _ = get_spectral_dls(X, t, np.arange(X.shape[1]), few, bs, batch_tfms=[BatchSNV()])
    learn = spectral_learner(dls, MirzaiCNN(), metrics=[])
    learn.remove_cb(ProgressCallback); learn.logger = noop
    return partial(learn.fit, 1, 1e-3)

def train_step(quick):
    import torch
    torch.set_num_threads(1)
    n = 512 if quick else 2048
    lib = library(n); X, t = lib.spectra, np.log10(lib.y()).astype(np.float32)
    ways = dict(plain=plain_trainer(X, t), ours=our_trainer(X, t), eager=our_trainer(X, t, fused=False), peer=peer_trainer(X, t))
    s = {k: v/n for k,v in interleaved(ways, 2 if quick else 5).items()}
    size = f'{n} x {X.shape[1]}, one epoch, one thread, per spectrum'
    return [row('train_step', s['plain'], s['ours'], size, 'ours: Learner, batch 128, fused'),
            row('train_step eager', s['plain'], s['eager'], size, 'ours where nothing compiles: Learner, batch 128, channels last'),
            row('train_step peer', s['plain'], s['peer'], size, 'soilspecdl: DataLoaders, network, Learner, batch 32'),
            *floors(s['plain'], size, quick), loss_curves(quick), compiling(quick)]

def floors(plain, size, quick, n=64):
    "The five convolutions alone, channels last, forward and back"
    import torch
    import torch.nn.functional as F
    def passes(dtype):
        c, l, out = (1, 16, 32, 64, 128, 256), 1764, []
        for i,o in zip(c, c[1:]):
            x = torch.randn(n, i, 1, l).to(memory_format=torch.channels_last, dtype=dtype).requires_grad_(i>1)
            out.append((x, torch.randn(o, i, 1, 3, dtype=dtype, requires_grad=True))); l = (l-2)//3
        def step():
            for x,w in out:
                y = F.conv2d(x, w); torch.autograd.grad(y, [w]+[x]*x.requires_grad, torch.ones_like(y))
        return step
    s = interleaved(dict(fp32=passes(torch.float32), bf16=passes(torch.bfloat16)), 3 if quick else 9)
    return [row('train_step floor', plain, s['fp32']/n, size, 'the five convolutions alone, forward and back, single precision'),
            row('train_step floor bfloat16', plain, s['bf16']/n, size, 'the same in bfloat16')]

COMPILE = 'import time, torch; from mirzai.fused import can_fuse; from mirzai.network import KexCNN; net, x = KexCNN(1764), torch.zeros(128, 1, 1764); ' \
          'torch.set_num_threads(1); start = time.perf_counter(); print(can_fuse(net, x), time.perf_counter()-start)'

def compiling(quick):
    "The fused step's first batch in a new process: with nothing compiled yet on this machine, and again"
    with tempfile.TemporaryDirectory() as tmp:
        env = os.environ|dict(TORCHINDUCTOR_CACHE_DIR=tmp)
        run = lambda: subprocess.run([sys.executable, '-c', COMPILE], env=env, check=True, capture_output=True, text=True).stdout.split()
        (ready, cold), (_, warm) = run(), run()
    return row('compile', float(cold), float(warm), '1764 wavenumbers, batch 128', f'plain: the first time on a machine; ours: in a further process; compiles here: {ready}')

def loss_curves(quick):
    "The same recipe, layer after layer and fused, several seeds: is the validation loss the same within noise?"
    import torch
    from mirzai import learner
    from mirzai.experiment import random_split
    torch.set_num_threads(1)
    n, seeds = (700, 2) if quick else (3000, 5)
    lib, took, curves, pays = library(n), {}, {}, learner.PAYS
    learner.RECIPES['bench'] = learner.RECIPES['large']|dict(epochs=3 if quick else 6)
    try:
        for s in range(seeds):
            p = random_split(n, s)
            for k in ('eager', 'fused'):
                learner.PAYS = 0 if k=='fused' else np.inf
                start = time.perf_counter()
                curves[k, s] = learner.CNNRegressor('bench', seed=s).fit(lib[p.train], valid=lib[p.valid]).valid_errors_.mean(1)
                took.setdefault(k, []).append(time.perf_counter()-start)
    finally: learner.PAYS = pays
    last = {k: np.array([curves[k, s][-1] for s in range(seeds)]) for k in took}
    d = last['fused']-last['eager']
    note = (f'validation loss at the end, {seeds} seeds: {last["eager"].mean():.4f} and {last["fused"].mean():.4f}, difference {d.mean():+.4f} '
            f'± {d.std(ddof=1)/np.sqrt(seeds):.4f} (se), spread over seeds {last["eager"].std(ddof=1):.4f}')
    return row('train_loss', np.median(took['eager']), np.median(took['fused']), f'{n} soils, batch 128, with and without fused', note,
               eager=[curves['eager', s].tolist() for s in range(seeds)], fused=[curves['fused', s].tolist() for s in range(seeds)])

def time_to_r2(quick):
    import torch
    from mirzai.experiment import evaluate, random_split
    from mirzai.learner import RECIPES
    kept = HERE.parent/'nbs'/'results'/'recipe_epochs.parquet'
    e = pd.read_parquet(kept); paper = e[e.name=='paper'].pivot(index='epoch', columns='seed', values='r2')
    fits = pd.read_parquet(kept.with_name('recipe_fits.parquet'))
    target = fits[fits.name=='paper'].set_index('seed').r2   # what its early stopping keeps
    need = (paper>=target-1e-4).idxmax()                     # the first epoch that is as good
    there = fits[fits.name=='8 epochs, derivative, dropout 0, rate 0.02, two networks'].r2
    n = 900 if quick else 20_000
    from mirzai.synthetic import synthetic_library
    lib = synthetic_library(n, 0).select('kex'); s = random_split(len(lib), 0)
    X, t = lib[s.train[:2048]].spectra, np.log10(lib[s.train[:2048]].y()).astype(np.float32)
    per = {}
    for threads in (1, torch.get_num_threads() if torch.get_num_threads()>1 else os.cpu_count()):
        torch.set_num_threads(threads); f = plain_trainer(X, t); f()
        took = []
        for _ in range(1 if quick else 3): start = time.perf_counter(); f(); took.append(time.perf_counter()-start)
        per[threads] = float(np.median(took))/len(X)
    torch.set_num_threads(1)
    seeds, default = range(2 if quick else 4), RECIPES['fast']
    start = time.perf_counter()
    res = evaluate(lib, ['cnn'], seeds, settings={'cnn': dict(recipe='fast')}, quiet=True, jobs=2)
    wall = time.perf_counter()-start
    ours = res.fits.query('model=="cnn"')
    r2 = res.select(split='valid').r2.to_numpy()
    epochs = float(need.median())
    plain1, second, whole = epochs*len(s.train)*per[1], len(s.train)*per[max(per)], paper.notna().sum().mean()
    size = f'{len(lib)} soils, {len(s.train)} to train on'
    note = (f"the paper's recipe reaches R2 {target.mean():.3f} ± {target.std():.3f} after {need.min()}-{need.max()} epochs (5 seeds), its time: "
            f"{epochs:.0f} epochs x the plain seconds an epoch measured here; the default, 5 seeds there: {there.mean():.3f} ± {there.std():.3f}; here, {default['nets']} networks of {default['epochs']} epochs: R2 {r2.mean():.3f} ± "
            f"{r2.std(ddof=1):.3f}, whole fits, two at a time")
    return [row('time_to_r2', plain1, float(ours.seconds.median()), size, note, r2_paper=target.tolist(), r2_ours=r2.tolist()),
            row('splits20', 20*whole*second, 20*wall/len(seeds), size, f'plain: one after the other, {max(per)} threads, each to its early stop, '
                f'{whole:.0f} epochs on average; ours: a sweep of {len(seeds)} splits on two cores, workers started and all parts predicted, times '
                f'{20/len(seeds):.2g}'),
            row('splits20 hindsight', 20*need.mean()*second, 20*wall/len(seeds), size, f'as if the plain way knew beforehand at which epoch to stop: '
                f'{need.mean():.0f} on average')]

# --- the rest -------------------------------------------------------------------------------------------------------------------------------

def plsr_rows(n, most, splits, counts, job='plsr_sweep', p=None):
    "Refits for some counts on one split, the others interpolated, against all counts on all splits"
    from sklearn.cross_decomposition import PLSRegression
    from mirzai.experiment import random_split
    from mirzai.library import SpectralLibrary
    from mirzai.plsr import PLSR, _prepared
    lib = library(n)
    if p: lib = SpectralLibrary(lib.spectra[:, ::p], lib.wavenumbers[::p], lib.properties)
    model, took = PLSR(max_components=most), []
    for s in range(splits):
        r = random_split(n, s); start = time.perf_counter(); model.fit_rows(lib, r.train, r.valid); took.append(time.perf_counter()-start)
    ours = took[0]+(splits-1)*float(np.median(took[1:]))
    Z, t, _ = _prepared[lib][2:]; r = random_split(n, splits-1)
    plain, off = {}, 0.
    for k in counts:
        start = time.perf_counter(); sk = PLSRegression(k).fit(Z[r.train], t[r.train]); guess = sk.predict(Z[r.valid]); plain[k] = time.perf_counter()-start
        mine = PLSR(k).fit_rows(lib, r.train)
        off = max(off, float(np.abs(mine._predict(Z[r.valid])-guess.ravel()).max()))
    each = np.interp(np.arange(1, most+1), list(plain), list(plain.values()))
    return row(job, splits*each.sum(), ours, f'{n} x {lib.spectra.shape[1]}, {most} components, {splits} splits',
               f'scikit-learn timed at {", ".join(map(str, counts))} components on one split, interpolated between; preprocessing and the first Gram '
               f'matrix ({took[0]:.1f} s) count on our side only; then {np.median(took[1:]):.2f} s a split; largest difference {off:.0e}', n=n, p=lib.spectra.shape[1], components=most)

def plsr_sweep(quick):
    return [plsr_rows(*((2500, 10, 3, (1, 10)) if quick else (40_000, 40, 20, (1, 10, 20, 40))))]

def predict(quick):
    import torch
    from mirzai.network import KexCNN, NetRegressor, Preprocess, SpectralNet
    n = 500 if quick else 4000
    lib = library(n); x = torch.from_numpy(lib.spectra)[:, None]
    pre, theirs = Preprocess(1764).learn(x[:500]), plain_net(1764)
    theirs.train()(pre(x[:64])); theirs.eval()
    net = KexCNN(1764); net.load_state_dict(theirs.state_dict())
    model = NetRegressor(); model.net_, model.wavenumbers_, model.scale_, model.pipeline_, model.n_features_in_ = \
        SpectralNet(pre, [net]).eval(), lib.wavenumbers, True, None, 1764
    @torch.no_grad()
    def plain(): return theirs(pre(x))[:, 0].numpy()
    off = float(np.abs(plain()-model.predict_scale(lib)).max())
    out = []
    for threads in (1, os.cpu_count()):
        torch.set_num_threads(threads)
        s = interleaved(dict(plain=plain, ours=lambda: model.predict_scale(lib)), 2 if quick else 5)
        out.append(row('predict'+' one thread'*(threads==1), s['plain'], s['ours'], f'{n} x 1764, {threads} thread{"s"*(threads>1)}',
                       f'chunks of 64, normalisation folded; largest difference {off:.0e}'))
    return out[::-1]

def attribution(quick):
    import torch
    from attribution import alike, captum, steps_for
    from mirzai.attribution import differentiable, expected_gradients
    from mirzai.learner import CNNRegressor
    from mirzai.transforms import SNV
    torch.set_num_threads(os.cpu_count())
    n, few = (600, 3) if quick else (2000, 12)
    lib = library(n); model = CNNRegressor('large', epochs=2 if quick else 10).fit(lib[:n-few])
    f, z, b = differentiable(model), SNV().fit_transform(lib.spectra[n-few:]), SNV().fit_transform(lib.spectra[:100])
    exact, mine = expected_gradients(f, z, b, steps=10 if quick else 40), expected_gradients(f, z, b, steps=1)
    r = {k: alike(captum(model.net_, z, b, k), exact) for k in (50, 200, 800)}
    steps = steps_for(alike(mine, exact), r)
    s = interleaved(dict(plain=lambda: captum(model.net_, z[:few//2], b, steps), ours=lambda: expected_gradients(f, z[:few//2], b, steps=1)), 1 if quick else 3)
    k = few//2
    return [row('attribution', s['plain']/k, s['ours']/k, '1764 wavenumbers, 100 baselines, per spectrum',
                f'correlation with the exact value {alike(mine, exact):.3f} on both sides: one position a baseline, against {steps} steps of Captum')]

MEMORY = '''
import sys, threading, time
way, path = sys.argv[1:]
def anon(): return int(next(l for l in open('/proc/self/status') if l.startswith('RssAnon')).split()[1])/1024
if way=='ours':
    from mirzai.loading import read_library
    from mirzai.transforms import prepared
    import mirzai.plsr
else:
    import numpy as np, pandas as pd
    from scipy.signal import savgol_filter
    import pyarrow.parquet
base, peak, on = anon(), 0, True
def watch():
    global peak
    while on: peak = max(peak, anon()); time.sleep(.002)
w = threading.Thread(target=watch); w.start(); start = time.perf_counter()
if way=='ours': Z = read_library(path, each=lambda part: prepared(part.select('kex'), 'plsr')).spectra
else:
    t = pd.read_parquet(path)
    cols = [c for c in t if c.replace('.', '', 1).isdigit()]
    t = t[t.kex>=.12]; X = t[cols].to_numpy(np.float32); X = X[(X>0).all(1)]
    Z = savgol_filter((X-X.mean(1, keepdims=True))/X.std(1, keepdims=True), 11, 1, 1)
took = time.perf_counter()-start; on = False; w.join()
print(took, peak-base, *Z.shape)
'''

def load_memory(quick):
    from mirzai.loading import write_library
    from mirzai.synthetic import synthetic_library
    n = 3000 if quick else 50_494
    with tempfile.TemporaryDirectory() as tmp:
        lib = synthetic_library(n, 0); mb = lib.spectra.nbytes/2**20
        write_library(lib, Path(tmp)/'library.parquet'); del lib
        run = lambda way: [float(v) for v in subprocess.run([sys.executable, '-c', MEMORY, way, str(Path(tmp)/'library.parquet')], check=True,
                                                            capture_output=True, text=True).stdout.split()]
        got = {w: [run(w) for _ in range(1 if quick else 3)] for w in ('plain', 'ours')}
    s, m = ({w: float(np.median([g[i] for g in v])) for w,v in got.items()} for i in (0, 1))
    return [row('load_memory', s['plain'], s['ours'], f'{n} x 1764, Parquet, {mb:.0f} MB as float32',
                f'anonymous memory above the start: plain {m["plain"]:.0f} MB ({m["plain"]/mb:.2f} x the library), ours {m["ours"]:.0f} MB '
                f'({m["ours"]/mb:.2f} x); selected and preprocessed for PLSR', plain_mb=m['plain'], ours_mb=m['ours'], library_mb=mb)]

def imports(quick):
    runs = dict(bare='pass', mirzai='import mirzai', everything='from mirzai.all import *',
                packages='import torch, fastai.basics, pandas, sklearn.base, scipy.interpolate, scipy.stats, matplotlib.pyplot, captum.attr, pyarrow.parquet',
                help='import sys; from mirzai.cli import main; sys.argv = ["mirzai", "--help"]\ntry: main()\nexcept SystemExit: pass')
    call = {k: partial(subprocess.run, [sys.executable, '-c', c], check=True, capture_output=True) for k,c in runs.items()}
    s = interleaved(call, 1 if quick else 5)
    report = subprocess.run([sys.executable, '-X', 'importtime', '-c', 'from mirzai.all import *'], capture_output=True, text=True).stderr
    top = [l.split('|') for l in report.splitlines() if l.count('|')==2 and 'cumulative' not in l]
    own = pd.Series([int(a.split(':')[1]) for a,*_ in top], [c.strip().split('.')[0] for *_,c in top]).groupby(level=0).sum().nlargest(9)/1e6
    where = ', '.join(f'{k} {v:.2f}' for k,v in own.items())
    return [row('import', s['packages'], s['everything'], 'from mirzai.all import *', f'plain: the packages alone. Seconds by package: {where}'),
            row('import mirzai', s['bare'], s['mirzai'], 'import mirzai', 'plain: Python doing nothing'),
            row('import help', s['bare'], s['help'], 'mirzai --help', 'plain: Python doing nothing')]

def growth(quick):
    import torch
    out = []
    for n in ((1000, 2000) if quick else (2500, 5000, 10_000, 20_000)): out.append(plsr_rows(n, 20, 4, (1, 20), 'growth plsr samples'))
    for k in ((5, 10) if quick else (10, 20, 40)): out.append(plsr_rows(1000 if quick else 10_000, k, 4, (1, k), 'growth plsr components'))
    for p in ((4, 2) if quick else (4, 2, 1)): out.append(plsr_rows(1000 if quick else 10_000, 20, 4, (1, 20), 'growth plsr wavenumbers', p))
    torch.set_num_threads(1)
    for p in ((588, 1764) if quick else (588, 882, 1323, 1764)):
        X = np.random.default_rng(0).normal(size=(256 if quick else 1024, p)).cumsum(1).astype(np.float32); t = X.mean(1)/10
        s = interleaved(dict(plain=plain_trainer(X, t), ours=our_trainer(X, t)), 2 if quick else 3)
        out.append(row('growth train wavenumbers', s['plain']/len(X), s['ours']/len(X), f'{p} wavenumbers, per spectrum', 'one thread', p=p))
    return out

def tried(quick):
    "Training steps that were tried, each against what we do, one thread unless said"
    import torch
    torch.set_num_threads(1)
    n = 512 if quick else 1024
    lib = library(n); X, t = lib.spectra, np.log10(lib.y()).astype(np.float32)
    from mirzai.network import KexCNN
    whole = torch.compile(KexCNN(1764))
    ways = {'ours': our_trainer(X, t), 'ours, batch 32': our_trainer(X, t, 32), 'ours, batch 256': our_trainer(X, t, 256), 'ours, batch 512': our_trainer(X, t, 512),
            'ours under bfloat16 autocast': our_trainer(X, t, bf16=True), 'layer after layer (no compiler)': our_trainer(X, t, fused=False),
            'torch.compile of the whole network, batch 128': plain_trainer(X, t, 128, whole),
            'plain loop, batch 128': plain_trainer(X, t, 128), 'plain loop, batch 32, bfloat16 autocast': plain_trainer(X, t, autocast=True),
            'plain loop, batch 32, two loader processes': plain_trainer(X, t, workers=2)}
    s = interleaved(ways, 1 if quick else 3)
    out = [row('tried', s['ours']/n, s[k]/n, k, 'ratio: what ours takes / what this takes') for k in ways if k!='ours']
    torch.set_num_threads(2); two = interleaved({'two threads': ways['ours']}, 1 if quick else 3)['two threads']/n; torch.set_num_threads(1)
    return out+[row('tried', s['ours']/n, 2*two, 'both cores on one training, core seconds',
                                                            'ratio: core seconds of one process a training / of two threads on one')]

JOBS = dict(train_step=train_step, time_to_r2=time_to_r2, plsr_sweep=plsr_sweep, predict=predict, attribution=attribution, load_memory=load_memory,
            growth=growth, tried=tried, **{'import': imports})

def main(only, quick):
    warnings.filterwarnings('ignore')
    out, about = HERE/('results-quick.json' if quick else 'results.json'), machine()
    print(', '.join(f'{k} {v}' for k,v in about.items()), flush=True)
    rows = json.loads(out.read_text()) if only and out.exists() else []
    for name in only or JOBS:
        new = JOBS[name](quick); names = {r['job'] for r in new}
        rows = [r for r in rows if r['job'] not in names and r['job']!='machine']+new
        out.write_text(json.dumps([dict(job='machine', plain_s=None, ours_s=None, ratio=None, size=None, note=None)|about]+rows, indent=1))
    print(f'written to {out}')

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--quick', action='store_true'); p.add_argument('--only', nargs='*', choices=list(JOBS))
    a = p.parse_args(); main(a.only, a.quick)
