"A sweep survives kill -9, shares its store, runs on a cluster, and reports what failed"
import inspect, json, os, random, shutil, signal, subprocess, sys, time
import numpy as np, pandas as pd, pytest
from deadly import deadly
from functools import partial
from pathlib import Path
from mirzai.experiment import evaluate, read_results
from mirzai.library import MirzaiError
from mirzai.loading import read_library, write_library
from mirzai.store import FORMAT, Store
from mirzai.sweep import sweep

posix = pytest.mark.skipif(os.name=='nt', reason='signals of POSIX')

GRID = ['--models', 'plsr,gpr', '--splits', '4', '--sizes', '40,all', '--jobs', '2']
LIGHT = ['--models', 'plsr', '--splits', '20']                      # its workers begin to work at once

@pytest.fixture(scope='module')
def table(sample, tmp_path_factory):
    f = tmp_path_factory.mktemp('t')/'lib.parquet'
    write_library(sample[:150].select('kex'), f)
    return f

def start(table, out, *more):
    return subprocess.Popen([Path(sys.executable).with_name('mirzai'), 'evaluate', str(table), *GRID, '--out', str(out), *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            preexec_fn=os.name!='nt' and (lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) or None)    # a shell's background jobs ignore it

@pytest.fixture(scope='module')
def undisturbed(table, tmp_path_factory):
    "A store made in this process, one task after the other"
    out = tmp_path_factory.mktemp('u')/'store'
    evaluate(read_library(table), ['plsr', 'gpr'], range(4), sizes=[40, None], store=out, jobs=1, quiet=True)
    return out

@pytest.fixture(scope='module')
def uninterrupted(undisturbed): return pd.read_parquet(undisturbed/'scores.parquet')

def finished(out): return len(list((out/'tasks').glob('*'))) if (out/'tasks').exists() else 0

@posix
def test_killed_at_random_moments(table, tmp_path):
    "At least five kills that hit a run with finished and unfinished tasks; the scores are the same to the last bit"
    out,rng,hits,seen = tmp_path/'store',random.Random(0),0,[]
    total = 40
    while hits<5:
        p = start(table, out, *LIGHT)
        enough = finished(out)+rng.choice((1, 1, 2))      # let it finish one or two more
        while p.poll() is None and finished(out)<enough: time.sleep(.005)
        time.sleep(rng.random()*.05)
        if p.poll() is None: os.kill(p.pid, signal.SIGKILL); p.wait(); hits += finished(out)<total
        seen.append(finished(out))
        assert seen==sorted(seen), 'something finished was lost'
        assert p.returncode==-9 and seen[-1]<total, f'the run ended before the fifth kill: {hits} hits, {seen}'
    p = start(table, out, *LIGHT); _,err = p.communicate(timeout=200)
    assert p.returncode==0, err
    evaluate(read_library(table), ['plsr'], range(20), sizes=[40, None], store=tmp_path/'whole', jobs=1, quiet=True)
    made,whole = (pd.read_parquet(s/'scores.parquet') for s in (out, tmp_path/'whole'))
    pd.testing.assert_frame_equal(made, whole, check_exact=True)
    assert not list(out.glob('.partial/*')) and not (out/'.claims').exists()

def test_asked_again_it_does_nothing(table, undisturbed):
    before = {f: f.stat().st_mtime_ns for f in (undisturbed/'tasks').rglob('*.parquet')}
    p = start(table, undisturbed); _,err = p.communicate(timeout=200)
    assert p.returncode==0, err
    assert {f: f.stat().st_mtime_ns for f in (undisturbed/'tasks').rglob('*.parquet')}==before and len(before)>=16

def test_two_processes_share_a_store(table, uninterrupted, tmp_path):
    out = tmp_path/'store'
    both = [start(table, out, '--jobs', jobs) for jobs in '12']
    for p in both:
        _,err = p.communicate(timeout=200)
        assert p.returncode==0, err
    pd.testing.assert_frame_equal(pd.read_parquet(out/'scores.parquet'), uninterrupted, check_exact=True)

@posix
def test_control_c_ends_cleanly(table, tmp_path):
    out = tmp_path/'store'
    p = start(table, out, *LIGHT, '--splits', '200')       # more than can be done before the signal arrives
    while p.poll() is None and not finished(out): time.sleep(.01)
    os.killpg(p.pid, signal.SIGINT)                        # as a terminal does: to all of its processes
    _,err = p.communicate(timeout=60)
    assert p.returncode==130 and 'mirzai: stopped' in err and 'Traceback' not in err, err
    time.sleep(1)
    assert not [q for q in Path('/proc').glob('[0-9]*/stat') if _group(q)==p.pid], 'a worker lives on'

STOPPED = """
import sys, time, pandas as pd
from mirzai.loading import load_sample
from mirzai.sweep import Sweep, sweep
def work(lib, task):
    time.sleep(.1)
    return dict(t=pd.DataFrame([task]))
for kind in (KeyboardInterrupt, OSError): # Ctrl-C, a full disk
    def full(self, i, result): raise kind('while a result is kept')
    Sweep.finished = full
    try: sweep(load_sample()[:60], [dict(i=i) for i in range(40)], work, jobs=2, quiet=True)
    except kind as e: print(kind.__name__, e)
"""

def test_what_goes_wrong_while_a_result_is_kept_stops_the_run():
    "More is under way then, and is not waited for"
    p = subprocess.run([sys.executable, '-c', STOPPED], capture_output=True, text=True, timeout=120)
    assert p.stdout.splitlines()==[f'{kind} while a result is kept' for kind in ('KeyboardInterrupt', 'OSError')], p.stderr

@posix
def test_workers_leave_with_a_killed_parent(table, tmp_path):
    p = start(table, tmp_path/'store', *LIGHT)
    while p.poll() is None and not finished(tmp_path/'store'): time.sleep(.01)
    os.kill(p.pid, signal.SIGKILL); p.wait()
    end = time.monotonic()+20
    while any(_group(q)==p.pid for q in Path('/proc').glob('[0-9]*/stat')):
        assert time.monotonic()<end, 'a worker lives on'
        time.sleep(.2)

def _group(stat):
    try: f = stat.read_text().rpartition(')')[2].split()
    except OSError: return
    return int(f[2]) if f[0]!='Z' else None

def where(model, lib, split): return 'where', pd.DataFrame([dict(pid=os.getpid(), library=id(lib), shared=type(lib.spectra).__name__)])

def test_the_library_is_mapped_once_a_worker(sample):
    lib = sample[:150].select('kex')
    res = evaluate(lib, ['plsr'], range(8), jobs=2, extras=[where], quiet=True)
    w = res.tables['where']
    assert set(w.shared)=={'memmap'} and (w.groupby('pid').library.nunique()==1).all() and os.getpid() not in set(w.pid)

def test_dask_cluster_gives_the_same_scores(table, uninterrupted, tmp_path):
    distributed = pytest.importorskip('dask.distributed')
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        p = start(table, tmp_path/'store', '--scheduler', cluster.scheduler_address)
        _,err = p.communicate(timeout=200)
        assert p.returncode==0, err
        import joblib
        lib = read_library(table)
        with distributed.Client(cluster) as client, joblib.parallel_config(backend='dask'):
            client.upload_file(__file__, load=False)
            w = evaluate(lib, ['plsr'], range(12), extras=[where], quiet=True).tables['where']
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path/'store'/'scores.parquet'), uninterrupted, check_exact=True)
    assert w.pid.nunique()==2 and (w.groupby('pid').library.nunique()==1).all() and os.getpid() not in set(w.pid)

def test_no_scheduler_is_one_line(mirzai, table, tmp_path):
    code,_,err = mirzai('evaluate', table, '--models', 'plsr', '--scheduler', 'tcp://127.0.0.1:9', '--out', tmp_path/'s')
    assert code==2 and 'no Dask scheduler' in err.splitlines()[-1] and not (tmp_path/'s').exists()

@posix
def test_a_death_and_a_failure_stop_nothing_else(sample, tmp_path):
    tasks = [dict(i=i) for i in range(8)]
    for store in (None, Store(tmp_path/'s', {})):
        _,failed = sweep(sample, tasks, deadly, store, jobs=2, quiet=True)
        assert set(failed)=={3, 5} and 'died' in failed[3] and 'ZeroDivisionError: five' in failed[5]
    assert sorted(store.gather()['t'].i)==[0, 1, 2, 4, 6, 7]

@posix
def test_a_death_on_a_cluster_stops_nothing_else(sample, tmp_path):
    distributed = pytest.importorskip('dask.distributed')
    import joblib
    store = Store(tmp_path/'s', {})
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster, \
         distributed.Client(cluster) as client, joblib.parallel_config(backend='dask'):
        client.upload_file(inspect.getfile(deadly), load=False)
        _,failed = sweep(sample, [dict(i=i) for i in range(6)], deadly, store, quiet=True)
    assert set(failed)=={3, 5} and 'died' in failed[3] and sorted(store.gather()['t'].i)==[0, 1, 2, 4]

def odd(lib, task): return dict(t=pd.DataFrame(dict(i=[task['i']]*2, v=[1, 'a'] if task['i']==2 else [1, 2])))

def test_a_table_that_cannot_be_written_is_a_failure(sample, tmp_path):
    store = Store(tmp_path/'s', {})
    _,failed = sweep(sample, [dict(i=i) for i in range(4)], odd, store, jobs=1, quiet=True)
    assert set(failed)=={2} and 'Arrow' in failed[2] and set(store.gather()['t'].i)=={0, 1, 3}

def test_odd_names_of_orders_and_sources(mirzai, tmp_path):
    from mirzai.synthetic import synthetic_library
    lib = synthetic_library(400, seed=1).select('kex')
    p = lib.properties.assign(order=lib.properties.order.str.capitalize(), source=[1, 2, np.nan, 3]*(len(lib)//4)+[1]*(len(lib)%4))
    p.loc[p.index[::7], 'order'] = np.nan
    lib.properties = p; write_library(lib, tmp_path/'l.parquet')
    code,_,err = mirzai('evaluate', tmp_path/'l.parquet', '--models', 'plsr', '--splits', 1, '--jobs', 1,
                        '--local', 'mollisols, Undefined', '--leave-out', 'all', '--out', tmp_path/'s')
    assert code==0, err
    s = pd.read_parquet(tmp_path/'s'/'scores.parquet')
    assert {'order:Mollisols', 'order:Undefined', 'without:undefined', 'without:1.0'}<=set(s.scope) and 'undefined' in set(s.group)

def test_a_missing_fold_is_no_score(sample, tmp_path, monkeypatch):
    import mirzai.experiment as e
    real = e.run_task
    def broken(lib, task, **kw):
        if task['fold']==1 and task['seed']==1: raise ValueError('lost')
        return real(lib, task, **kw)
    monkeypatch.setattr(e, 'run_task', broken)
    with pytest.warns(UserWarning, match='lost'): res = evaluate(sample[:90].select('kex'), ['plsr'], range(2), folds=3, jobs=1, quiet=True)
    assert list(res.scores.seed)==[0] and len(res.failed)==1

def test_failures_are_reported_and_tried_again(mirzai, table, tmp_path, monkeypatch):
    import mirzai.experiment as e
    real = e.make_model
    def broken(name, target, seed, **kw):
        if seed==1: raise np.linalg.LinAlgError('singular')
        return real(name, target, seed, **kw)
    monkeypatch.setattr(e, 'make_model', broken)
    args = ('evaluate', table, '--models', 'plsr', '--splits', 3, '--jobs', 1, '--out', tmp_path/'s')
    code,out,err = mirzai(*args)
    assert code==2 and 'LinAlgError: singular' in err and '1 of the tasks failed' in err.splitlines()[-1] and 'plsr' in out
    monkeypatch.undo()
    assert mirzai(*args)[0]==0
    assert set(pd.read_parquet(tmp_path/'s'/'scores.parquet').seed)=={0, 1, 2}

def test_a_store_of_another_library_is_refused(mirzai, table, sample, tmp_path):
    args = ('--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', tmp_path/'s')
    assert mirzai('evaluate', table, *args)[0]==0
    write_library(sample[:140], tmp_path/'other.csv')
    code,_,err = mirzai('evaluate', tmp_path/'other.csv', *args)
    assert code==2 and 'another library' in err
    assert mirzai('run', '--library', table, '--models', 'plsr', '--out', tmp_path/'s')[0]==2
    assert len(read_results(tmp_path/'s').scores)==3
    with pytest.raises(MirzaiError, match='no results'): read_results(tmp_path/'nothing')

def test_sizes_and_scopes_that_are_not_there(mirzai, table, tmp_path):
    for more,word in ((('--sizes', '9000'), 'size 9000'), (('--local', 'mollisols'), "'order'"), (('--grouped',), "'profile'"), (('--leave-out', 'x'), 'source')):
        code,_,err = mirzai('evaluate', table, '--models', 'plsr', *more, '--out', tmp_path/'s')
        assert code==2 and word in err.splitlines()[-1] and not (tmp_path/'s').exists(), err

def test_scopes_on_the_synthetic_library(mirzai, tmp_path):
    from mirzai.synthetic import synthetic_library
    write_library(synthetic_library(600, seed=1), tmp_path/'syn.parquet')
    code,out,err = mirzai('evaluate', tmp_path/'syn.parquet', '--models', 'plsr', '--splits', 2, '--jobs', 1, '--sizes', '100,all', '--local', 'mollisols',
                          '--grouped', '--leave-out', 'all', '--out', tmp_path/'s')
    assert code==0, err
    s = pd.read_parquet(tmp_path/'s'/'scores.parquet')
    assert list(s.columns[:7])==['model', 'seed', 'size', 'scope', 'group', 'split', 'n']
    assert set(s.scope)=={'all', 'order:mollisols', 'grouped:profile', 'without:lab A', 'without:lab B', 'without:lab C'}
    t = s.query('split=="test" and seed==0')
    local,globally = (t.query(q).n.item() for q in ('scope=="order:mollisols" and group=="all"', 'scope=="all" and group=="mollisols" and size>100'))
    assert local==globally                       # the same samples
    assert t.query('scope=="all" and group=="all"').n.nunique()==1   # one test set whatever the size

def other_version(k): return '0.0.1' if k=='mirzai' else '1'

def test_another_version_of_the_code_is_refused(mirzai, table, tmp_path, monkeypatch):
    import mirzai.experiment as e
    args = ('evaluate', table, '--models', 'plsr', '--splits', 1, '--jobs', 1, '--out', tmp_path/'s')
    now = e.version('mirzai')
    assert mirzai(*args)[0]==0
    before = {f: f.read_bytes() for f in (tmp_path/'s').rglob('*') if f.is_file()}
    monkeypatch.setattr(e, 'version', other_version)
    code,_,err = mirzai(*args)
    last = err.splitlines()[-1]
    assert code==2 and f'of mirzai {now}, and this is mirzai 0.0.1: choose another folder' in last, err
    assert {f: f.read_bytes() for f in (tmp_path/'s').rglob('*') if f.is_file()}==before
    monkeypatch.undo()
    monkeypatch.setattr(e, 'code_fingerprint', lambda *_: 'abc')      # a file of the package was edited
    code,_,err = mirzai(*args)
    assert code==2 and 'other code' in err.splitlines()[-1] and 'abc' in err.splitlines()[-1]
    monkeypatch.undo()
    assert mirzai(*args)[0]==0 and len(read_results(tmp_path/'s').scores)==3

def test_a_method_replaced_in_memory_is_another_code(sample, tmp_path, monkeypatch):
    from mirzai.plsr import PLSR
    lib,honest = sample[:150].select('kex'),PLSR._predict
    evaluate(lib, ['plsr'], [0], store=tmp_path/'s', jobs=1, quiet=True)
    monkeypatch.setattr(PLSR, '_predict', lambda self, X: honest(self, X)+.3)
    with pytest.raises(MirzaiError, match='other code of mirzai'): evaluate(lib, ['plsr'], [0, 1], store=tmp_path/'s', jobs=1, quiet=True)

def test_a_store_that_does_not_say_who_made_it_can_be_read_and_not_gone_on_with(sample, tmp_path):
    lib,s = sample[:150].select('kex'),tmp_path/'s'
    made = evaluate(lib, ['plsr'], [0], store=s, jobs=1, quiet=True)
    note = json.loads((s/'.mirzai.json').read_text())
    for k in ('mirzai', 'code'): del note['about'][k]
    (s/'.mirzai.json').write_text(json.dumps(note))
    for f in s.rglob('sha256.json'): f.unlink()
    with pytest.raises(MirzaiError, match='do not name the mirzai'): evaluate(lib, ['plsr'], [0], store=s, jobs=1, quiet=True)
    pd.testing.assert_frame_equal(read_results(s).scores, made.scores)

class Extra:
    def __init__(self, k): self.k = k
    def __call__(self, model, lib, split): return 'extra', pd.DataFrame(dict(k=[str(self.k)]))
    def method(self, model, lib, split): return 'extra', pd.DataFrame(dict(k=[self.k]))

def plain(model, lib, split, k): return 'extra', pd.DataFrame(dict(k=[k]))

def closed(k): return lambda model, lib, split: ('extra', pd.DataFrame(dict(k=[k])))

@pytest.mark.parametrize('make', [Extra, lambda k: Extra(np.full(3, k)), lambda k: Extra(k).method, lambda k: partial(plain, k=k), closed,
                                  lambda k: Extra([Extra(k)])], ids=['attribute', 'array', 'method', 'partial', 'closure', 'nested'])
def test_extras_with_other_settings_are_refused(make, sample, tmp_path):
    lib = sample[:150].select('kex')
    go = lambda k, seeds: evaluate(lib, ['plsr'], seeds, store=tmp_path/'s', jobs=1, quiet=True, extras=[make(k)])
    go(1, [0])
    with pytest.raises(MirzaiError, match='other settings of extras') as e: go(99, [0, 1])
    assert len(str(e.value).splitlines())==1
    assert len(go(1, [0, 1]).tables['extra'])==2          # the same again goes on

def halve(f): f.write_bytes(f.read_bytes()[:f.stat().st_size//2])
def turn(f): b = bytearray(f.read_bytes()); b[len(b)//2] ^= 255; f.write_bytes(bytes(b))
def empty(f): f.write_bytes(b'')
def all_gone(f): shutil.rmtree(f.parent); f.parent.mkdir()
def a_file(f): shutil.rmtree(f.parent); f.parent.write_text('no folder')
def no_sums(f): halve(f); (f.parent/'sha256.json').unlink()
def bad_sums(f): (f.parent/'sha256.json').write_text('{')

@pytest.mark.parametrize('spoil', [halve, turn, empty, Path.unlink, all_gone, a_file, no_sums, bad_sums])
@pytest.mark.parametrize('name', ['predictions', 'scores'])
def test_a_damaged_task_is_done_again(spoil, name, sample, tmp_path):
    lib,s = sample[:150].select('kex'),tmp_path/'s'
    go = lambda: evaluate(lib, ['plsr'], range(2), store=s, jobs=1, quiet=True)
    made = go(); scores = (s/'scores.parquet').read_bytes()
    spoil(sorted(s.glob(f'tasks/*/{name}.parquet'))[0])
    with pytest.warns(UserWarning, match='1 damaged'): assert len(read_results(s).scores)==3
    with pytest.warns(UserWarning, match='damaged and is made again'): again = go()
    pd.testing.assert_frame_equal(again.scores, made.scores, check_exact=True)
    pd.testing.assert_frame_equal(again.predictions, made.predictions, check_exact=True)
    assert (s/'scores.parquet').read_bytes()==scores and len(read_results(s).scores)==6

def summary_is_scores(s):
    from mirzai.experiment import Results
    want = Results(dict(scores=pd.read_parquet(s/'scores.parquet'))).summary()
    pd.testing.assert_frame_equal(pd.read_csv(s/'summary.csv'), want, check_dtype=False, rtol=1e-12)
    return want

def test_the_summary_is_of_all_scores_in_the_store(mirzai, table, tmp_path):
    s = tmp_path/'s'
    go = lambda *more: mirzai('evaluate', table, '--jobs', 1, '--out', s, *more)[0]
    assert go('--models', 'gpr', '--splits', 1)==0; summary_is_scores(s)
    assert go('--models', 'plsr', '--splits', 3)==0
    assert set(summary_is_scores(s).model)=={'plsr', 'gpr'}
    assert go('--models', 'plsr', '--splits', 2, '--sizes', '40,all')==0
    assert set(summary_is_scores(s).query('model=="plsr" and group=="all"').n_seeds)=={2, 3}

def test_the_summary_follows_after_failures(mirzai, table, tmp_path, monkeypatch):
    import mirzai.experiment as e
    real = e.make_model
    def broken(name, target, seed, **kw):
        if seed==1: raise np.linalg.LinAlgError('singular')
        return real(name, target, seed, **kw)
    args = ('evaluate', table, '--models', 'plsr', '--jobs', 1, '--out', tmp_path/'s')
    assert mirzai(*args, '--splits', 1)[0]==0
    monkeypatch.setattr(e, 'make_model', broken)
    assert mirzai(*args, '--splits', 3)[0]==2
    assert set(summary_is_scores(tmp_path/'s').n_seeds)=={2}

def test_a_fingerprint_does_not_depend_on_what_was_imported_before():
    "The first of a process, the second, and the first of another that has imported everything"
    ask = 'from mirzai.experiment import made_by; print(made_by()["code"], made_by()["code"])'
    codes = [subprocess.run([sys.executable, '-c', first+ask], capture_output=True, text=True, check=True).stdout.split()
             for first in ('', 'import mirzai.all, mirzai.cli; ')]
    assert len(set(sum(codes, [])))==1

def test_every_model_counts_in_the_fingerprint():
    "A model that is imported only when it is asked for is reached all the same"
    from mirzai.store import reached_by
    models = {f'mirzai.{m}' for m in ('plsr', 'gpr', 'learner', 'network', 'backbone', 'transfer', 'ensemble')}
    assert models<=set(reached_by(['mirzai.experiment']))

def manifest(store, **changes): # rewritten with these changes; None: left out
    f = store/'.mirzai.json'
    f.write_text(json.dumps({k: v for k,v in (json.loads(f.read_text())|changes).items() if v is not None}))

def test_a_store_says_its_format(sample, tmp_path):
    "One without a number is of the first format and is gone on with; one of another format is refused before it is read"
    lib,how = sample[:60].select('kex'),dict(jobs=1, quiet=True, store=tmp_path/'s')
    evaluate(lib, ['plsr'], [0], **how)
    assert json.loads((tmp_path/'s'/'.mirzai.json').read_text())['format']==FORMAT
    manifest(tmp_path/'s', format=None)
    assert evaluate(lib, ['plsr'], [0, 1], **how).select().seed.tolist()==[0, 1]
    for number in (FORMAT+1, 0, 'two', [], 1.5):
        manifest(tmp_path/'s', format=number)
        for again in (lambda: read_results(tmp_path/'s'), lambda: evaluate(lib, ['plsr'], [0], **how)):
            with pytest.raises(MirzaiError, match='in format') as e: again()
            assert '\n' not in str(e.value)

def test_a_split_is_made_once(sample, monkeypatch):
    "However many models and sizes share it, and not again where the model is fitted"
    import mirzai.experiment as e
    made,real = [],e.split_of
    monkeypatch.setattr(e, 'split_of', lambda lib, *how: made.append(how) or real(lib, *how))
    res = evaluate(sample[:80].select('kex'), ['plsr', 'plsr-paper'], [0, 1], sizes=[30, 40, None], jobs=1, quiet=True)
    assert len(res.fits)==12 and len(made)==len(set(made))==2
    evaluate(sample[:80].select('kex'), ['plsr'], [0], folds=3, jobs=1, quiet=True)
    assert len(made)==len(set(made))==5
