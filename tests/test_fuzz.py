"Thousands of damaged files: each ends in a result or in one line, soon, in little memory, and nothing is executed"
import faulthandler, gzip, io, json, os, pickle, re, signal, struct, sys, time, warnings
import numpy as np, pandas as pd, pytest
from contextlib import contextmanager
from pathlib import Path
import brukeropus.file.data, brukeropus.file.parse, jcamp                                # noqa: F401  so that no reader needs to import them
from hypothesis import HealthCheck, given, settings, strategies as st
from mirzai.instruments import SpectraFiles, spectra_chunks
from mirzai.library import MirzaiError, SpectralLibrary, concat
from mirzai.loading import read_library, write_library
from test_instruments import affn, linked, opus, spa, spg, squeezed, xypoints

MANY = float(os.environ.get('MIRZAI_FUZZ_TIMES', .5))      # 2 every night, 10 for a long one
def fuzz(n): return settings(max_examples=int(n*MANY), derandomize=True, deadline=None, database=None, print_blob=False,
                             suppress_health_check=list(HealthCheck))

# --- what must not happen -----------------------------------------------------------------------------------------

class Hang(BaseException): pass

RUNS = {'exec', 'os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'os.fork', 'os.forkpty', 'subprocess.Popen', 'pickle.find_class',
        'socket.connect', 'socket.getaddrinfo', 'socket.bind', 'ctypes.dlopen', 'code.__new__', 'webbrowser.open', 'urllib.Request',
        'os.remove', 'os.rename', 'os.mkdir', 'os.rmdir', 'shutil.rmtree', 'os.putenv', 'import', 'open'}
watching,seen = False,[]

def watch(event, args):
    "Remember what a reader has no business doing"
    if not watching or event not in RUNS: return
    if event=='import' and (args[0].split('.')[0] in sys.modules or args[0].split('.')[0] in sys.stdlib_module_names): return
    if event=='exec' and args[0].co_name=='<module>' and args[0].co_filename.startswith((sys.prefix, sys.base_prefix)): return    # of an import
    if event=='open' and not (isinstance(args[1], str) and set(args[1])&set('wax+')): return
    seen.append((event, str(args)[:200]))
sys.addaudithook(watch)

@contextmanager
def guarded(seconds=5):
    "Five seconds, nothing executed"
    global watching
    def alarm(*_): raise Hang(f'over {seconds} s')
    old = signal.signal(signal.SIGALRM, alarm); signal.setitimer(signal.ITIMER_REAL, seconds); seen.clear(); watching = True
    faulthandler.dump_traceback_later(60, exit=True)
    try: yield
    finally:
        watching = False; signal.setitimer(signal.ITIMER_REAL, 0); signal.signal(signal.SIGALRM, old); faulthandler.cancel_dump_traceback_later()
    assert not seen, seen

def attempt(read, *args):
    "The result, or None after a proper refusal; warnings"
    with warnings.catch_warnings(record=True) as said, guarded():
        warnings.simplefilter('always')
        try: out = read(*args)
        except MirzaiError as e:
            line = str(e); assert '\n' not in line and len(line)<600 and 'MemoryError' not in line, line
            return None, []
    assert all('\n' not in str(w.message) for w in said if issubclass(w.category, UserWarning))
    return out, [str(w.message) for w in said]

def in_parts(f): return concat(list(spectra_chunks(f, rows=3)))

def sound(lib):
    "A library may hold missing values, and nothing that passes for an absorbance and is none"
    w,X = lib.wavenumbers,lib.spectra
    assert isinstance(lib, SpectralLibrary) and X.shape==(len(lib.properties), len(w)) and len(lib)>0 and len(w)>=10
    assert X.dtype==np.float32 and np.isfinite(w).all() and (np.diff(w)>0).all() and not (X[np.isfinite(X)]>10).any()

def peak():
    f = Path('/proc/self/status')
    return int(re.search(r'VmHWM:\s*(\d+)', f.read_text())[1])/1e3 if f.exists() else 0

@pytest.fixture(autouse=True)
def little_memory():
    if (clear := Path('/proc/self/clear_refs')).exists(): clear.write_text('5')            # the peak starts anew
    start = peak(); yield
    assert peak()-start<300, f'{peak()-start:.0f} MB'

# --- mutations ----------------------------------------------------------------------------------------------------

EXTREME = [struct.pack(f, v) for f,v in [('<i', 0), ('<i', -1), ('<i', 1), ('<i', 2**31-1), ('<i', -2**31), ('<i', 10**9), ('<h', -1), ('<h', 32767), ('<q', -1),
           ('<q', 2**63-1), ('<q', 10**12), ('<f', np.inf), ('<f', np.nan), ('<f', 3e38), ('<f', -1e-38), ('<d', np.inf), ('<d', np.nan), ('<d', 1e308), ('<d', -1e308)]]
TOKENS = [b'nan', b'inf', b'-inf', b'1e308', b'-1e308', b'1e-400', b'=cmd()', b"=cmd|' /C calc'!A0", b'9'*400, b'x'*5000, b'', b'-', b'"', b"'", b'0x10', b'1_000', b'True',
          b'None', b'NA', b'\xff\xfe', b'\xc3\xa9', b'\r', b'\n', b'\n\n', b'\0', b',', b';', b'\t', b'1,5', b'##END=', b'##XYDATA=(X++(Y..Y))', b'999999999', b'-5', b'99999999999999999999',
          b'S99999', b'$$', b'{}', b'[[]]', b'__import__("os").mkdir("boom")', b'cos\nsystem\n(S"mkdir boom"\ntR.']
# where: anywhere, in the first part or in the last, where headers and footers are
PLACE = st.tuples(st.sampled_from(['any', 'any', 'head', 'tail']), st.integers(0, 2**16-1))
LENGTH = st.integers(1, 200)
MUTATION = st.one_of(st.tuples(st.just('flip'), PLACE, st.integers(0, 7)), st.tuples(st.just('set'), PLACE, st.integers(0, 255)), st.tuples(st.just('cut'), PLACE, st.just(0)),
                     st.tuples(st.just('delete'), PLACE, LENGTH), st.tuples(st.just('double'), PLACE, LENGTH), st.tuples(st.just('insert'), PLACE, st.binary(min_size=1, max_size=40)),
                     st.tuples(st.just('write'), PLACE, st.sampled_from(EXTREME)), st.tuples(st.just('swap'), PLACE, st.tuples(PLACE, LENGTH)),
                     st.tuples(st.just('token'), PLACE, st.sampled_from(TOKENS)), st.tuples(st.just('line'), PLACE, st.sampled_from(['delete', 'double', 'empty'])))
MUTATIONS = st.lists(MUTATION, min_size=1, max_size=4)

def spot(place, n):
    where,i = place
    if not n: return 0
    return {'any': i%n, 'head': i%min(n, 600), 'tail': n-1-i%min(n, 600)}[where]

def mutate(data:bytes, how)->bytes:
    for kind,place,what in how:
        at = spot(place, len(data)); before,after = data[:at],data[at:]
        if not data: break
        if kind=='flip': data = before+bytes([after[0]^1<<what])+after[1:]
        elif kind=='set': data = before+bytes([what])+after[1:]
        elif kind=='cut': data = before
        elif kind=='delete': data = before+after[what:]
        elif kind=='double': data = before+after[:what]+after
        elif kind=='insert': data = before+what+after
        elif kind=='write': data = before+what+after[len(what):]
        elif kind=='swap':
            b,n = spot(what[0], len(data)),what[1]
            a,b = sorted((at, b)); n = min(n, b-a, len(data)-b)
            data = data[:a]+data[b:b+n]+data[a+n:b]+data[a:a+n]+data[b+n:]
        elif kind=='token':                                                                    # the word around the place
            words = list(re.finditer(rb'[^\s,;=:]+', data))
            if words: m = words[place[1]%len(words)]; data = data[:m.start()]+what+data[m.end():]
        else:
            lines = data.split(b'\n'); i = data.count(b'\n', 0, at)
            lines[i:i+1] = dict(delete=[], double=lines[i:i+1]*2, empty=[b''])[what]; data = b'\n'.join(lines)
    return data

# --- instrument files ---------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def soil(sample):
    "Falling wavenumbers, forty of them, and three spectra along them"
    return sample.wavenumbers[::-43][:40].copy(), sample.spectra[:3, ::-43][:, :40].copy()

@pytest.fixture(scope='module')
def place(tmp_path_factory): return tmp_path_factory.mktemp('fuzz')

def with_gaps(raw):
    "JCAMP-DX whose first nine values are missing"
    head,form,data = raw.partition(b'(Y..Y))')
    return head+form+re.sub(rb'[+]\d+', b'?', data, count=9)

INSTRUMENTS = {'a.0': lambda w, y: opus(w, [('ab', y)]), 'two.0': lambda w, y: opus(w, [('ab', y), ('sc', y), ('ab', .9*y)]), 'a.spa': spa, 'percent.spa': lambda w, y: spa(w, 100*10**-y, 11),
               'a.dx': affn, 'pairs.dx': xypoints, 'dif.dx': squeezed, 'twins.0': lambda w, y: opus(w, [('ab', y), ('ab', y), ('sc', .02*10**-y), ('ref', np.full(len(y), .02))]),
               'comma.dx': lambda w, y: affn(w, y).replace(b'.', b',').replace(b'Y,,Y', b'Y..Y'), 'gap.dx': lambda w, y: with_gaps(affn(w, y))}

# files of several spectra
SEVERAL = {'day.spg': lambda w, X: spg(w, X, titles=['north', 'south', 'wood']), 'linked.dx': lambda w, X: linked(*[affn(w, y) for y in X]),
           'after.jdx': lambda w, X: affn(w, X[0])+xypoints(w, X[1])+squeezed(w, X[2])}

@pytest.mark.parametrize('name', SEVERAL)
def test_files_of_several_spectra(soil, place, name):
    "Damaged anyhow: refused, or every row is a spectrum or says why it is none; the doctor comes to the same"
    from mirzai.doctor import examine, in_lines
    w,X = soil; good = SEVERAL[name](w, X); f = place/name
    f.write_bytes(good); whole,_ = attempt(in_parts, f); assert len(whole)==3
    @fuzz(250)
    @given(MUTATIONS)
    def check(how):
        f.write_bytes(mutate(good, how)); got,_ = attempt(in_parts, f)
        if got is not None:
            sound(got); assert (np.isfinite(got.spectra).any(1)==(got.properties.scans==1)).all() and got.properties.index.is_unique
        seen,_ = attempt(lambda: in_lines(examine(f))); assert seen is not None and all('\n' not in l for l in seen)
    check()

@pytest.mark.parametrize('name', SEVERAL)
def test_cut_files_of_several_spectra(soil, place, name):
    "A cut gives never fewer spectra without a word, but for blocks one after the other, of which nobody counts how many there were"
    w,X = soil; good = SEVERAL[name](w, X); f = place/name
    f.write_bytes(good); whole,_ = attempt(in_parts, f)
    for n in range(0, len(good), 7):
        f.write_bytes(good[:n]); got,_ = attempt(in_parts, f)
        assert got is None or len(got)==3 or name=='after.jdx' and good[:n].rstrip().endswith(b'##END='), n

@pytest.mark.parametrize('name', INSTRUMENTS)
def test_the_doctor(soil, place, name):
    "Whatever is in a file, the doctor says something about it"
    from mirzai.doctor import examine, in_lines
    w,X = soil; good = INSTRUMENTS[name](w, X[0]); f = place/name
    @fuzz(60)
    @given(MUTATIONS)
    def check(how):
        f.write_bytes(mutate(good, how)); seen,_ = attempt(lambda: in_lines(examine(f)))
        assert seen is not None and all('\n' not in line for line in seen)
    check()

@pytest.mark.parametrize('name', INSTRUMENTS)
def test_instrument_files(soil, place, name):
    w,X = soil; good = INSTRUMENTS[name](w, X[0]); f = place/name
    f.write_bytes(good); whole,_ = attempt(in_parts, f); assert whole is not None
    @fuzz(330)
    @given(MUTATIONS)
    def check(how):
        f.write_bytes(mutate(good, how)); got,_ = attempt(in_parts, f)
        if got is not None: sound(got)
    check()

@pytest.mark.parametrize('name', INSTRUMENTS)
def test_damaged_neighbours(soil, place, name):
    "Beside a file damaged anyhow a sound one is read as if it were alone, and the damaged one has a row"
    w,X = soil; good = INSTRUMENTS[name](w, X[0]); d = place/'beside'; d.mkdir(exist_ok=True); f = d/name
    (d/'sound.0').write_bytes(opus(w, [('ab', X[1])]))
    def both(): return concat(list(SpectraFiles(d, wavenumbers=w[::-1]).parts()))
    @fuzz(60)
    @given(MUTATIONS)
    def check(how):
        f.write_bytes(mutate(good, how)); got,_ = attempt(both)
        assert len(got)==2 and np.array_equal(got.by_id('sound').spectra[0], X[1, ::-1]) and got.properties.scans['sound']==1
        other = got[got.ids!='sound']
        assert np.isfinite(other.spectra).any()==(other.properties.scans.iloc[0]==1) and '\n' not in other.properties.trouble.iloc[0]
    check(); f.unlink()

@pytest.mark.parametrize('name', INSTRUMENTS)
def test_cut_instrument_files(soil, place, name):
    "Cut anywhere, a file is refused, or nothing of the spectrum was cut off"
    w,X = soil; good = INSTRUMENTS[name](w, X[0]); f = place/name
    f.write_bytes(good); whole,_ = attempt(in_parts, f)
    for n in range(0, len(good), 3):
        f.write_bytes(good[:n]); got,_ = attempt(in_parts, f)
        assert got is None or np.array_equal(got.spectra, whole.spectra, equal_nan=True) and np.array_equal(got.wavenumbers, whole.wavenumbers), n

# --- tables -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def tables(sample, place):
    "A dozen soils, forty wavenumbers, as each kind of table"
    lib = SpectralLibrary(sample.spectra[:12, ::43], sample.wavenumbers[::43], sample.properties[:12])
    for name in ('t.csv', 't.csv.gz', 't.parquet'): write_library(lib, place/name)
    t = pd.read_csv(place/'t.csv')
    t.rename(columns=lambda c: f'X{c}' if c[0].isdigit() else c).to_csv(place/'r.csv', sep=';', decimal=',', quoting=2)
    t.to_parquet(place/'pandas.parquet'); t.astype(str).to_parquet(place/'text.parquet', compression=None, row_group_size=5)
    return {f.name: f.read_bytes() for f in place.iterdir() if f.name.endswith(('.csv', '.gz', '.parquet'))}

@pytest.mark.parametrize('name,n', [('t.csv', 500), ('r.csv', 300), ('t.csv.gz', 200), ('t.parquet', 400), ('pandas.parquet', 250), ('text.parquet', 250)])
def test_tables(tables, place, name, n):
    good = tables[name]; f = place/name
    f.write_bytes(good); assert attempt(in_parts, f)[0] is not None
    if name.endswith('.gz'): good = gzip.decompress(good)
    @fuzz(n)
    @given(MUTATIONS, st.booleans())
    def check(how, inside):
        data = mutate(good, how) if not name.endswith('.gz') else gzip.compress(mutate(good, how), 1) if inside else mutate(gzip.compress(good, 1), how)
        f.write_bytes(data); got,_ = attempt(in_parts, f)
        if got is None: return
        sound(got); whole,_ = attempt(read_library, f)
        assert np.array_equal(got.spectra, whole.spectra, equal_nan=True) and list(got.ids)==list(whole.ids)
    check()

@pytest.mark.parametrize('name', ['t.csv', 'r.csv', 't.csv.gz', 't.parquet', 'pandas.parquet', 'text.parquet'])
def test_cut_tables(tables, place, name):
    "A text table ends where its lines end; anywhere else a cut is an error, or said"
    good = tables[name]; f = place/name
    f.write_bytes(good); whole,_ = attempt(in_parts, f)
    for n in {*range(0, len(good), max(1, len(good)//120)), *range(len(good)-40, len(good))}:
        f.write_bytes(good[:n]); got,said = attempt(in_parts, f)
        if got is None: continue
        assert name.endswith('.csv') and np.array_equal(got.spectra[:-1], whole.spectra[:len(got)-1]), n
        assert good[n-1:n]==b'\n' or any('no end' in s for s in said), (n, said)

# --- the paper's folder -------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def kssl(sample, place):
    d = place/'kssl'; d.mkdir()
    np.save(d/'spectra-features.npy', sample.spectra[:12, ::43].astype(np.float64)); np.save(d/'spectra-wavenumbers.npy', sample.wavenumbers[::43])
    np.save(d/'depth-order.npy', np.stack([np.arange(12), np.arange(12)%2], 1)); np.save(d/'target.npy', sample.y()[:12, None])
    np.save(d/'spectra-id.npy', np.arange(12)); (d/'tax-order-lu.pkl').write_bytes(pickle.dumps({'alfisols': 0, 'mollisols': 1}))
    return d, {f.name: f.read_bytes() for f in d.iterdir()}

def test_kssl_folders(kssl):
    d,good = kssl; assert attempt(in_parts, d)[0] is not None
    @fuzz(700)
    @given(st.sampled_from(sorted(good)), MUTATIONS)
    def check(name, how):
        (d/name).write_bytes(mutate(good[name], how))
        try: got,_ = attempt(in_parts, d)
        finally: (d/name).write_bytes(good[name])
        if got is not None: sound(got); assert len(got)==12
    check()

@pytest.mark.parametrize('raw', [b'\x80\x04}r\xff\xff\xff\x7f.', b'}p2000000000\n.', b'\x80\x04}\x94(\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.'])
def test_a_small_pickle_that_asks_for_gigabytes(kssl, raw): # the fuzz found the first: 17 GB for a place in the memo
    d,good = kssl; (d/'tax-order-lu.pkl').write_bytes(raw)
    try: assert attempt(in_parts, d)[0] is None
    finally: (d/'tax-order-lu.pkl').write_bytes(good['tax-order-lu.pkl'])

def test_cut_kssl_folders(kssl):
    d,good = kssl
    for name,data in good.items():
        for n in range(0, len(data), 5):
            (d/name).write_bytes(data[:n]); assert attempt(in_parts, d)[0] is None, (name, n)
        (d/name).write_bytes(data)

# --- model folders ------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def models(sample, tmp_path_factory):
    from mirzai.gpr import GPR
    from mirzai.plsr import PLSR
    from mirzai.predictor import Predictor, save_model
    lib = SpectralLibrary(sample.spectra[:60, ::20], sample.wavenumbers[::20], sample.properties[:60]).select('kex'); d = tmp_path_factory.mktemp('models')
    out = {}
    for name,m in (('plsr', PLSR(3)), ('gpr', GPR())):
        m.fit(lib); save_model(m, d/name, lib); p = Predictor.load(d/name)
        out[name] = d/name, {f: f.read_bytes() for f in (d/name).rglob('*') if f.is_file()}, p.predict(lib[:5])
    return out, lib[:5]

JSON = st.recursive(st.sampled_from([None, True, False, 0, -1, 10**30, 1e308, -0.5, '', 'plsr', 'x'*3000, '../../etc/passwd', '__import__("os")', [], {}]),
                    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(['a', 'kind', 'settings', '__reduce__']), x, max_size=3), max_leaves=5)

def replace(tree, path, value):
    "The tree with another value somewhere inside"
    if not path or not isinstance(tree, (dict, list)) or not tree: return value
    keys = sorted(tree) if isinstance(tree, dict) else range(len(tree)); k = keys[path[0]%len(keys)]
    out = tree.copy(); out[k] = replace(tree[k], path[1:], value)
    return out

@pytest.mark.parametrize('name', ['plsr', 'gpr'])
def test_model_folders(models, name):
    "A changed folder is refused, or it predicts exactly what it did"
    from mirzai.predictor import Predictor
    kinds,few = models; d,good,want = kinds[name]
    files = [f for f in sorted(good) if not f.name.startswith('.')]
    def load(): return Predictor.load(d).predict(few)
    assert attempt(load)[0] is not None
    def check_one(f, data):
        f.write_bytes(data)
        try: got,_ = attempt(load)
        finally: f.write_bytes(good[f])
        if got is not None: pd.testing.assert_frame_equal(got, want)
    @fuzz(350)
    @given(st.sampled_from(files), MUTATIONS)
    def bytes_changed(f, how): check_one(f, mutate(good[f], how))
    @fuzz(300)
    @given(st.sampled_from([f for f in files if f.suffix=='.json']), st.lists(st.integers(0, 50), max_size=3), JSON, st.sampled_from([0, 0, 0, 0, 0, 50, 5000, 200_000]))
    def json_changed(f, path, value, deep):
        text = json.dumps(replace(json.loads(good[f]), path, 'HERE')).replace('"HERE"', '['*deep+json.dumps(value)+']'*deep)
        check_one(f, text.encode())
    bytes_changed(); json_changed()
    for f in files:
        for n in range(0, len(good[f]), max(1, len(good[f])//40)): f.write_bytes(good[f][:n]); assert attempt(load)[0] is None; f.write_bytes(good[f])

# --- pickles ------------------------------------------------------------------------------------------------------

class Bomb:
    def __init__(self, marker): self.marker = marker
    def __reduce__(self): return os.mkdir, (str(self.marker),)

def test_planted_pickles(models, kssl, tables, place, tmp_path):
    "Wherever a pickle is laid, it is not opened"
    from mirzai.predictor import Predictor
    marker = tmp_path/'exploded'; bomb = pickle.dumps(Bomb(marker)); kinds,few = models
    for d,good,_ in kinds.values():
        for f in good:
            if f.name.startswith('.'): continue
            f.write_bytes(bomb); assert attempt(Predictor.load, d)[0] is None; f.write_bytes(good[f])
        extra = [d/n for n in ('model.pkl', 'weights.pkl', 'weights.pt', 'learner.pkl', 'export.pkl')]
        for f in extra: f.write_bytes(bomb)
        attempt(lambda d=d: Predictor.load(d).predict(few)); [f.unlink() for f in extra]
    d,good = kssl; array = io.BytesIO(); np.save(array, np.array([Bomb(marker)]*12, dtype=object), allow_pickle=True)
    for name,data in good.items():
        for evil in (bomb, array.getvalue()): (d/name).write_bytes(evil); assert attempt(in_parts, d)[0] is None, name
        (d/name).write_bytes(data)
    for name in ('p.csv', 'p.csv.gz', 'p.parquet', 'p.0', 'p.spa', 'p.dx', 'p.jdx', 'p.pkl'):
        for evil in (bomb, gzip.compress(bomb), b'PAR1'+bomb+b'PAR1', b'\n\n\xfe\xfe'+bomb, b'Spectral Data File'+bomb, b'##TITLE='+bomb):
            (place/name).write_bytes(evil); assert attempt(in_parts, place/name)[0] is None
    assert not marker.exists()
    pickle.loads(bomb); assert marker.is_dir()               # it would have gone off

def test_the_watch_sees(tmp_path):
    "The guard of all these tests does notice"
    for act in (lambda: os.system('true'), lambda: exec('1'), lambda: pickle.loads(pickle.dumps(os.getcwd)), lambda: open(tmp_path/'x', 'w').close()):
        with pytest.raises(AssertionError):
            with guarded(): act()
    with pytest.raises(Hang):
        with guarded(.1): time.sleep(9)
