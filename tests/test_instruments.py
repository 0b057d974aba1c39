"Instrument files: written byte by byte, read back, damaged in a thousand ways, read in folders"
import os, re, signal, struct, sys, time, warnings
import numpy as np, pandas as pd, pytest
from pathlib import Path
from mirzai.library import MirzaiError
from mirzai.instruments import (read_instrument, read_instruments, sample_name, spectra_chunks,
                                write_jcamp, MAX_POINTS)
from mirzai.library import concat
from mirzai.loading import read_library, write_library

CODES = dict(ab=(3, 3, 4), refl=(3, 3, 12), sc=(3, 1, 1), ref=(3, 2, 1), ig=(3, 1, 2))

def opus(w, blocks, fxv=None, npt=None, dxu=b'WN\0\0', csf=1., derivative=0, extra=()):
    "An OPUS file: `blocks` are (kind, values); `extra` are (type code, bytes) as they come"
    body,entries = b'',[]
    def add(code, data):
        nonlocal body
        entries.append((code, len(data)//4, 504+len(body))); body += data
    item = lambda k,t,v: struct.pack('<4s2h', k, t, len(v)//2)+v
    f8,i4 = lambda v: struct.pack('<d', v), lambda v: struct.pack('<i', v)
    for kind,y in blocks:
        a,b,c = CODES[kind]
        code,y = a|b<<2|c<<10|derivative<<17, np.asarray(y, '<f4')
        add(code, y.tobytes())
        add(code|1<<4, b''.join([item(b'DPF\0', 0, i4(1)), item(b'NPT\0', 0, i4(len(y) if npt is None else npt)),
            item(b'FXV\0', 1, f8(w[0] if fxv is None else fxv)), item(b'LXV\0', 1, f8(w[-1])),
            item(b'CSF\0', 1, f8(csf)), item(b'MXY\0', 1, f8(csf*float(y.max()))), item(b'MNY\0', 1, f8(csf*float(y.min()))),
            item(b'DXU\0', 3, dxu), b'END\0\0\0\0\0']))
    for code,data in extra: add(code, data)
    entries.insert(0, (13<<10, 3*(len(entries)+1), 24))
    head = b'\n\n\xfe\xfe'+struct.pack('<d3i', 920622., 24, 40, len(entries))
    return (head+b''.join(struct.pack('<3i', *e) for e in entries)).ljust(504, b'\0')+body

def spa(w, y, code=17, xcode=1, n=None):
    entry = lambda key,at,size: struct.pack('<BxII6x', key, at, size)
    table = entry(1, 0, 0)+entry(2, 400, 32)+entry(3, 512, 4*len(y))
    head = struct.pack('<IIIIff', 1, len(y) if n is None else n, xcode, code, w[0], w[-1])
    return ((b'Spectral Data File'.ljust(288, b'\0')+table).ljust(400, b'\0')+head).ljust(512, b'\0') \
        +np.asarray(y, '<f4').tobytes()

def spg(w, Y, codes=None, titles=None, tail=b''):
    "An OMNIC group: title, header and values of each spectrum"
    n,p = len(Y),len(w)
    entry = lambda key,at,size: struct.pack('<BxII6x', key, at, size)
    start = 512+64*n
    places = [start+k*(320+4*p) for k in range(n)]
    table = b''.join(entry(107, at, 256)+entry(2, at+256, 32)+entry(3, at+320, 4*p) for at in places)
    body = b''
    for k,y in enumerate(Y):
        head = struct.pack('<IIIIff', 1, p, 1, codes[k] if codes else 17, w[0], w[-1]).ljust(64, b'\0')
        body += (titles[k] if titles else '').encode().ljust(256, b'\0')+head+np.asarray(y, '<f4').tobytes()
    return (b'Spectral Data File'.ljust(288, b'\0')+entry(10, 0, 0)+table).ljust(start, b'\0')+body+tail

def linked(*blocks):
    "Several JCAMP-DX blocks in one that links them"
    return b'##TITLE=a day\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=%d\n' % len(blocks)+b''.join(blocks)+b'##END=\n'

def affn(w, y, yunits='ABSORBANCE', more=''):
    lines = [f'##TITLE=a soil\n##JCAMP-DX=4.24 $$ by hand\n##DATA TYPE=INFRARED SPECTRUM\n##X-UNITS=1/CM\n##YUnits= {yunits}\n'
             f'##FIRSTX={w[0]:.6f}\n##LASTX={w[-1]:.6f}\n##NPOINTS={len(w)}\n##XFACTOR=1\n##YFACTOR=1.0E-06\n{more}'
             '##XYDATA= (X++(Y..Y))']
    y = np.round(np.asarray(y, float)*1e6).astype(int)
    lines += [f'{w[i]:.3f}'+''.join(f'{v:+d}' for v in y[i:i+7]) for i in range(0, len(w), 7)]
    return ('\n'.join(lines)+'\n##END=\n').encode()

def xypoints(w, y):
    head = (f'##TITLE=pairs\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n##FIRSTX={w[0]}\n##LASTX={w[-1]}\n'
            f'##NPOINTS={len(w)}\n##XYPOINTS=(XY..XY)\n')
    return (head+'\n'.join(f'{a:.4f}, {b:.8f}' for a,b in zip(w, y))+'\n##END=\n').encode()

def squeezed(w, y):
    "DIF form: first value of a line in SQZ, then differences; each line begins with the last value of the one before"
    y = np.round(np.asarray(y, float)*1e6).astype(int)
    sqz = lambda v: ('@ABCDEFGHI' if v>=0 else '@abcdefghi')[int(str(abs(v))[0])]+str(abs(v))[1:]
    dif = lambda v: ('%JKLMNOPQR' if v>=0 else '%jklmnopqr')[int(str(abs(v))[0])]+str(abs(v))[1:]
    lines = [f'##TITLE=DIF\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n##FIRSTX={w[0]}\n##LASTX={w[-1]}\n##NPOINTS={len(w)}\n'
             '##YFACTOR=0.000001\n##XYDATA=(X++(Y..Y))']
    for i in range(0, len(y), 8):
        j = max(i-1, 0)
        lines.append(f'{w[j]:.0f}'+sqz(y[j])+''.join(dif(d) for d in np.diff(y[j:i+8])))
    return ('\n'.join(lines)+'\n##END=\n').encode()

WRITERS = {'OPUS': ('0', lambda w, y: opus(w, [('ab', y)])), 'OMNIC': ('spa', spa), 'JCAMP-DX': ('dx', affn)}

@pytest.fixture(scope='module')
def soils():
    "Descending wavenumbers and twelve real spectra along them"
    from mirzai.loading import load_sample
    lib = load_sample()
    return lib.wavenumbers[::-1].copy(), lib.spectra[:12, ::-1].copy()

def put(folder, name, data):
    (f := folder/name).write_bytes(data)
    return f

def quiet(f, *args, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return f(*args, **kw)

def said(f, *args, **kw):
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter('always'); out = f(*args, **kw)
    return out, [str(m.message) for m in w]

def refuses(f, *words, **kw):
    with pytest.raises(MirzaiError) as e: quiet(read_instrument, f, **kw)
    line = str(e.value)
    assert '\n' not in line and Path(f).name in line, line
    for word in words: assert word in line, (word, line)

@pytest.mark.parametrize('kind', WRITERS)
def test_round_trip(soils, tmp_path, kind):
    (w,X),(ext,write) = soils,WRITERS[kind]
    for grid,y in ((w, X[3]), (w[::-1], X[3, ::-1])):      # falling and rising
        got,warned = said(read_instrument, put(tmp_path, f'B12.{ext}', write(grid, y)))
        assert not warned
        assert list(got.ids)==['B12'] and got.properties.instrument.iloc[0]==kind and len(got)==1
        assert np.abs(got.wavenumbers-w[::-1]).max()<1e-3
        assert np.abs(got.spectra[0]-X[3, ::-1]).max()<1e-5

@pytest.mark.parametrize('write', [xypoints, squeezed, lambda w, y: affn(w, y).replace(b'\n', b'\r\n'),
                                   lambda w, y: b'\xef\xbb\xbf'+affn(w, y)])
def test_jcamp_forms(soils, tmp_path, write):
    w,X = soils
    got = read_instrument(put(tmp_path, 'a.jdx', write(w, X[0])))
    assert np.abs(got.spectra[0]-X[0, ::-1]).max()<1e-5

def test_jcamp_repeats(soils, tmp_path):
    "A letter from S to s repeats what is before it: in differences, in squeezed and in plain values, ten times and more"
    head = '##TITLE=r\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n##FIRSTX=600\n##LASTX=620\n##NPOINTS=21\n##YFACTOR=0.01\n##XYDATA=(X++(Y..Y))\n'
    read = lambda name, body: read_instrument(put(tmp_path, name, (head+body+'##END=\n').encode())).spectra[0]
    assert np.allclose(read('d.dx', '600A00J0T%S8\n620A20\n'), [1, 1.1, 1.2]+[1.2]*18)
    assert np.allclose(read('s.dx', '600A00TA10S9\n'), [1, 1]+[1.1]*19)
    assert np.allclose(read('p.dx', '600+100T+110S9\n'), [1, 1]+[1.1]*19)
    refuses(put(tmp_path, 'z.dx', (head+'600A00s99999s99999\n'*20+'##END=\n').encode()), 'too much text')

def test_jcamp_of_an_instrument(tmp_path):
    "The beginning of dupdec1.jdx (Perkin-Elmer 1605; public domain, R. Lancashire's test data), whose lines check each other"
    f = put(tmp_path, 'dupdec1.jdx', b"""##TITLE= dupdec1.jdx
##JCAMP-DX= 4.24     $$ from PE 1605 FTIR
##DATA TYPE= INFRARED SPECTRUM
##INSTRUMENT PARAMETERS= 
X: 4400.00,450.00 cm-1; 0.01,87.100 %T          97/01/01 13:24
   16 scans; mode ratio; resol 2.00 cm-1; apod strong
##DATA PROCESSING= 
##XUNITS= 1/CM
##YUNITS= TRANSMITTANCE
##XFACTOR= 1.
##YFACTOR= 0.01
##FIRSTX= 4400.
##LASTX= 4324.
##NPOINTS= 77
##XYDATA= (X++(Y..Y))
4400H225J3RJ1MmRj2rK0k9TJ5J0k7l9k2j6k1KJl4k6oj3j2Jk6m2k1j3k4j2j1l0k6J6
4364G832PjJ6k8l4J2J9k3mJ4j4MPqJ4RK1L6jmj5qJ1QJ2Qj4j2nRK2J0J8qk2OJ6mRJ2
4324G927
##END=
""")
    refuses(f, 'values up to', 'unit percent')
    got = quiet(read_instrument, f, 'percent')
    assert np.allclose(got.wavenumbers, np.arange(4324, 4401))
    assert np.allclose(100*10**-got.spectra[0][[-1, -2, 36+4, 0]], [82.25, 82.38, 78.32, 79.27], atol=1e-3)

def test_soilspecdata_agrees(soils, tmp_path):
    from soilspecdata.readers import read_spa
    f = put(tmp_path, 'a.spa', spa(*[soils[0], soils[1][0]]))
    w,y,_ = read_spa(f)
    assert np.array_equal(read_instrument(f).spectra[0], y.astype(np.float32))

def test_brukeropus_agrees(soils, tmp_path):
    "Our guarded way through brukeropus gives what its own front door gives"
    from brukeropus import read_opus
    f = put(tmp_path, 'a.0', opus(soils[0], [('ab', soils[1][0]), ('sc', soils[1][1]), ('ab', 1.1*soils[1][0]+.1)]))
    d = read_opus(str(f)).a
    got = quiet(read_instrument, f)
    assert np.array_equal(got.spectra[0], d.y[::-1].astype(np.float32)) and np.allclose(got.wavenumbers, d.wn[::-1])

def test_units(soils, tmp_path):
    w,X = soils; R = 10**-X[0]; A = X[0, ::-1]
    same = lambda f, **kw: np.abs(quiet(read_instrument, f, **kw).spectra[0]-A).max()<1e-5
    assert same(put(tmp_path, 'a.spa', spa(w, 100*R, 11))) and same(put(tmp_path, 'b.spa', spa(w, 100*R, 16)))
    assert same(put(tmp_path, 'c.spa', spa(w, X[0], 12)))
    assert same(put(tmp_path, 'a.dx', affn(w, R, 'TRANSMITTANCE'))) and same(put(tmp_path, 'b.dx', affn(w, 100*R, '% reflectance')))
    f = put(tmp_path, 'c.dx', affn(w, 100*R, 'TRANSMITTANCE'))
    refuses(f, 'unit percent'); assert same(f, unit='percent')
    f = put(tmp_path, 'd.dx', affn(w, 100*R, 'ARBITRARY UNITS'))
    refuses(f, 'cannot be absorbance'); assert same(f, unit='percent')
    f = put(tmp_path, 'r.0', opus(w, [('refl', R)]))
    refuses(f, 'reflectance', 'export absorbance'); assert same(f, unit='reflectance')
    refuses(put(tmp_path, 'a.0', opus(w, [('ab', X[0])])), 'says absorbance', unit='percent')
    with pytest.raises(MirzaiError, match='not known'): read_instrument(f, 'furlong')

def test_opus_blocks(soils, tmp_path):
    w,X = soils
    refuses(put(tmp_path, 'refl.0', opus(w, [('refl', 10**-X[0])])), 'say --unit reflectance')
    refuses(put(tmp_path, 's.0', opus(w, [('sc', X[0]), ('ig', X[1])])), 'sample spectrum', 'interferogram', 'export absorbance')
    refuses(put(tmp_path, 'd.0', opus(w, [('ab', X[0])], derivative=1)), 'first derivative')
    got,warned = said(read_instrument, put(tmp_path, 't.1', opus(w, [('ab', X[0]), ('sc', X[1]), ('ab', X[0]+np.float32(.1))])))
    assert np.array_equal(got.spectra[0], X[0, ::-1]+np.float32(.1)) and len(warned)==1 and 'stored last' in warned[0]
    got = read_instrument(put(tmp_path, 'c.17', opus(w, [('ab', X[0]/2)], csf=2.)))
    assert np.allclose(got.spectra[0], X[0, ::-1])
    refuses(put(tmp_path, 'p.0', opus(w, [('ab', X[0])], dxu=b'PNT\0')), 'damaged')
    refuses(put(tmp_path, 'n.0', opus(w, [('ab', X[0])], npt=-5))); refuses(put(tmp_path, 'n.0', opus(w, [('ab', X[0])], npt=2**31-1)))

def test_opus_traps(soils, tmp_path):
    "A parameter that points back to itself; a report, a series and a history that ask for the moon: never parsed"
    w,X = soils
    back = struct.pack('<4s2h', b'NPT\0', 0, -4)+bytes(16)
    f = put(tmp_path, 'loop.0', opus(w, [('ab', X[0])]).replace(struct.pack('<4s2h', b'NPT\0', 0, 2), back[:8]))
    start = time.monotonic(); refuses(f, 'no complete absorbance'); assert time.monotonic()-start<2
    moon = struct.pack('<6i', 0, 2**31-1, 32, 2**30, 2**30, 2**30)+bytes(64)
    extra = [(3<<2|4<<10|2<<19, moon), (2<<19, bytes(12)+back), (5<<19, b'\xff'*64), (2<<4, back)]
    got = read_instrument(put(tmp_path, 'moon.0', opus(w, [('ab', X[0])], extra=extra)))
    assert np.array_equal(got.spectra[0], X[0, ::-1]) and time.monotonic()-start<4

def test_jcamp_traps(soils, tmp_path):
    w,X = soils; good = affn(w, X[0]); start = time.monotonic()
    refuses(put(tmp_path, 'n.dx', good.replace(b'NPOINTS=1701', b'NPOINTS=999999999')), 'NPOINTS', str(MAX_POINTS))
    refuses(put(tmp_path, 'm.dx', good.replace(b'NPOINTS=1701', b'NPOINTS=1700')), 'of 1700 values')
    refuses(put(tmp_path, 'u.dx', good.replace(b'1/CM', b'MICROMETERS')), 'export in 1/CM')
    for u in ('KUBELKA-MUNK', '% ABSORPTION', 'LOG REFLECTANCE', 'FIRST DERIVATIVE'):
        refuses(put(tmp_path, 'k.dx', affn(w, X[0], u)), 'export absorbance')
    refuses(put(tmp_path, 'b.dx', affn(w, X[0], '(micromol/mol)-1m-1 (base 10)')), 'micromol', 'which unit')
    refuses(put(tmp_path, 'two.dx', good.replace(b'##END=', b'##XYDATA=(X++(Y..Y))\n600 1 2 3\n##END=')), 'several spectra')
    refuses(put(tmp_path, 'h.dx', b'##TITLE=nothing\n##END=\n'), 'no XYDATA')
    refuses(put(tmp_path, 'z.dx', good.replace(b'##XYDATA= (X++(Y..Y))\n', b'##XYDATA=(X++(Y..Y))\n600'+b'J1Z99999'*90+b'\n')), 'too much text')
    refuses(put(tmp_path, 'i.dx', good.replace(b'FIRSTX=4000', b'FIRSTX=inf')), 'damaged')
    long = b'##TITLE=' + b'\n x'*300_000+b'\n'                  # jcamp alone would copy this text a third of a million times
    assert np.abs(read_instrument(put(tmp_path, 'l.dx', long+good)).spectra[0]-X[0, ::-1]).max()<1e-5
    assert time.monotonic()-start<10

def test_spa_traps(soils, tmp_path):
    w,X = soils
    refuses(put(tmp_path, 'n.spa', spa(w, X[0], n=2**32-1)), 'cut short'); refuses(put(tmp_path, 'c.spa', spa(w, X[0])[:-1]), 'cut short')
    refuses(put(tmp_path, 'i.spa', spa(w, X[0], 22)), 'interferogram'); refuses(put(tmp_path, 'x.spa', spa(w, X[0], xcode=3)), 'x axis')
    refuses(put(tmp_path, 'o.spa', spa(w, X[0], n=3)), 'at least ten')

def test_other_files(tmp_path, soils):
    refuses(tmp_path/'no.0', 'no such file'); refuses(put(tmp_path, 'e.0', b''), 'an empty file'); refuses(tmp_path, 'not a file')
    refuses(put(tmp_path, 'p.spa', b'\x89PNG'+bytes(999)), 'a picture', 'not OPUS')
    os.mkfifo(tmp_path/'pipe.0'); refuses(tmp_path/'pipe.0', 'not a file')
    with open(tmp_path/'big.0', 'wb') as f: f.truncate(65<<20)
    refuses(tmp_path/'big.0', 'more than 64 MB')

@pytest.mark.parametrize('kind,package', [('OPUS', 'brukeropus'), ('JCAMP-DX', 'jcamp')])
def test_missing_package(soils, tmp_path, monkeypatch, kind, package):
    for m in [m for m in sys.modules if m.split('.')[0]==package]: monkeypatch.delitem(sys.modules, m)
    monkeypatch.setitem(sys.modules, package, None)
    ext,write = WRITERS[kind]
    refuses(put(tmp_path, f'a.{ext}', write(soils[0], soils[1][0])), "pip install 'mirzai[instruments]'")

def mutate(data, rng):
    "Cut, flip bytes or one bit, replace a length, leave out, repeat"
    b,how = bytearray(data),rng.integers(7)
    if how==0: return bytes(b[:rng.integers(len(b))])
    if how==6: b[rng.integers(len(b))] ^= 1<<rng.integers(8); return bytes(b)
    top = len(b) if how<3 else min(len(b), 1200)          # headers are the interesting part
    if how in (1, 3):
        for i in rng.integers(0, top, rng.integers(1, 30)): b[i] = rng.integers(256)
    elif how in (2, 4):
        i = int(rng.integers(0, top-4))
        b[i:i+4] = struct.pack('<I', int(rng.choice([0, 1, 2, 255, 65535, 2**31-1, 2**31, 2**32-4, 2**32-1, int(rng.integers(2**32))])))
    else:
        i,j = sorted(int(v) for v in rng.integers(0, top, 2))
        b[i:j] = b'' if rng.random()<.5 else bytes(b[i:j])*2
    return bytes(b)

class Hang(BaseException): pass

@pytest.mark.parametrize('name,write', [('a.0', WRITERS['OPUS'][1]), ('two.0', lambda w, y: opus(w, [('ab', y), ('sc', y), ('ab', y)])),
                                        ('a.spa', spa), ('a.dx', affn), ('pairs.dx', xypoints), ('dif.dx', squeezed)])
def test_damaged(soils, tmp_path, name, write, capsys):
    "Each of 300 damaged files ends in a spectrum or a MirzaiError within 5 s"
    w,X = soils; good = write(w[::10], X[0, ::10]); f = tmp_path/name
    def alarm(*_): raise Hang(f'{name} took over 5 s')
    old = signal.signal(signal.SIGALRM, alarm); rng = np.random.default_rng(1); n = 0
    try:
        for _ in range(int(os.environ.get('MIRZAI_FUZZ', 300))):
            data = mutate(good, rng); f.write_bytes(data); signal.alarm(5)
            try:
                got = quiet(read_instrument, f); n += 1
                assert got.spectra.shape==(1, len(got.wavenumbers)) and len(got.wavenumbers)>=10
                assert (np.diff(got.wavenumbers)>0).all() and not (np.abs(got.spectra)>10).any()
            except MirzaiError as e: assert '\n' not in str(e) and len(str(e))<400, e
            finally: signal.alarm(0)
    finally: signal.signal(signal.SIGALRM, old)
    assert n>2                                               # some damage leaves a spectrum readable
    assert capsys.readouterr().out==''                       # the libraries' own chatter does not leak

def test_folder(soils, tmp_path):
    w,X = soils; day = tmp_path/'day'; (day/'more').mkdir(parents=True)
    for i in range(3):
        for k in range(2): put(day, f's{i}.{k}', opus(w, [('ab', X[i]+(-1)**k*.01)]))
    put(day, 's0_bad.0', b'\n\n\xfe\xfe'+bytes(9)); put(day, 'notes.txt', b'x'); put(day, '.hidden.0', b'x')
    put(day/'more', 's1.spa', spa(w, X[3])); put(day/'more', 's5-2.dx', affn(w, X[5])); put(day/'more', 's5-3.dx', affn(w, X[5]))
    (day/'more'/'up').symlink_to(day); (day/'twice.0').symlink_to(day/'s2.0')
    got,warned = said(read_instruments, day)
    assert list(got.ids)==['s0', 'day/s1', 's2', 'more/s1', 's5-2', 's5-3']
    assert got.properties.scans.tolist()==[2, 2, 2, 1, 1, 1]
    assert (got.properties.spread.iloc[:3]<1e-5).all() and got.properties.spread.iloc[3:].isna().all()       # an offset is nothing
    assert np.abs(got.spectra-X[[0, 1, 2, 3, 5, 5]][:, ::-1]).max()<1e-5
    assert len(warned)==3 and '1 of 10 files could not be read' in warned[0] and 's0_bad.0' in warned[0], warned
    assert 'notes.txt' in warned[1] and 'day/s1' in warned[2]
    assert sum(got.dropped.values())==2 and got.dropped['other kind of file']==1
    assert got.properties.instrument.tolist()==['OPUS', 'OPUS', 'OPUS', 'OMNIC', 'JCAMP-DX', 'JCAMP-DX']
    each = quiet(read_instruments, day, replicates='none')
    assert len(each)==9 and each.properties.index.is_unique
    assert quiet(read_instruments, day, replicates=r'-\d').properties.scans['s5']==2
    with pytest.raises(MirzaiError, match='s0_bad'): read_instruments(day, on_error='raise')
    with pytest.raises(MirzaiError, match='s0_bad.0: damaged OPUS'): quiet(read_instruments, day/'s0_bad.0')
    with pytest.raises(MirzaiError, match='none of 2 files'): quiet(read_instruments, [day/'s0_bad.0', day/'gone.0'])
    (tmp_path/'empty').mkdir()
    with pytest.raises(MirzaiError, match='no instrument files'): read_instruments(tmp_path/'empty')
    with pytest.raises(MirzaiError, match='no such file'): read_instruments(tmp_path/'nowhere.0')
    with pytest.raises(MirzaiError, match='report'): read_instruments(day, on_error='ignore')

def test_the_grid_of_most(soils, tmp_path):
    "Never the first file's; of equally common ones the finer; in any order"
    w,X = soils; fine = np.arange(4001.5, 598.6, -1.93)
    at = lambda y, g: np.interp(g, w[::-1], y[::-1])
    files = [put(tmp_path, 'b.spa', spa(fine, at(X[0], fine))), put(tmp_path, 'c.dx', affn(w[:1200], X[1][:1200])),
             *[put(tmp_path, f'{n}.0', opus(w, [('ab', X[0])])) for n in 'xy']]
    got,warned = said(read_instruments, files)
    assert list(got.ids)==['b', 'x', 'y'] and np.array_equal(got.wavenumbers, w[::-1])
    assert np.abs(got.spectra[1]-got.spectra[0]).max()<.02 and np.array_equal(got.spectra[1], X[0, ::-1])
    assert 'covers 1602 to 4000' in warned[0] and 'c.dx' in warned[0]
    again = quiet(read_instruments, files[::-1])
    assert np.array_equal(again.spectra, got.spectra) and list(again.ids)==list(got.ids)
    coarse = put(tmp_path, 'a.0', opus(w[::4], [('ab', X[2][::4])]))
    for two in ([coarse, files[2]], [files[2], coarse]): assert len(quiet(read_instruments, two).wavenumbers)==len(w)

def test_tables_beside_files(soils, sample, tmp_path):
    write_library(sample[:4], tmp_path/'old.csv'); write_library(sample[4:8], tmp_path/'old.parquet')
    put(tmp_path, 'new.0', opus(soils[0], [('ab', soils[1][0])]))
    got = read_instruments(tmp_path)
    assert len(got)==9 and got.properties.kex.notna().sum()==8 and np.isnan(got.properties.kex['new'])
    assert list(got.by_id(sample.ids[:8]).ids)==list(sample.ids[:8])
    assert np.array_equal(got.by_id(sample.ids[:8]).spectra, sample[:8].spectra)

def test_different_soils_are_not_averaged(soils, tmp_path):
    "field-1 ... field-9 are soils; field.0 ... field.8 are called scans, and do not look like it"
    w,X = soils
    for i in range(9): put(tmp_path, f'field-{i+1}.0', opus(w, [('ab', X[i])]))
    got,warned = said(read_instruments, tmp_path)
    assert len(got)==9 and not warned and (got.properties.scans==1).all()
    other = tmp_path/'other'; other.mkdir()
    for i in range(9): put(other, f'field.{i}', opus(w, [('ab', X[i])]))
    got,warned = said(read_instruments, other)
    assert len(got)==1 and 'are they one soil' in warned[0] and 'differ by' in got.properties.trouble.iloc[0]

@pytest.mark.parametrize('name,replicates,sample', [
    ('B.0', 'opus', 'B'), ('B.012', 'opus', 'B'), ('B_1.0', 'opus', 'B_1'), ('B-2.dx', 'opus', 'B-2'), ('B (3).spa', 'opus', 'B (3)'), ('B_rep1.0', 'opus', 'B_rep1'),
    ('B12.2.dx', 'opus', 'B12.2'), ('P1_0-20.0', 'opus', 'P1_0-20'), ('north_2024-05-11.0', 'opus', 'north_2024-05-11'), ('2.0', 'opus', '2'), ('A7.SPA', 'opus', 'A7'),
    ('t.csv.gz', 'opus', 't'), ('235157XS01.0', r'XS\d\d', '235157'), ('235157XS01.0', 'none', '235157XS01'), ('XS01_7.0', r'XS\d\d', 'XS01_7'), ('b_rep2.1', r'_rep\d', 'b')])
def test_sample_name(name, replicates, sample): assert sample_name(name, replicates)==sample

def test_write_jcamp(soils, tmp_path):
    w,X = soils
    write_jcamp(tmp_path/'a.jdx', w, X[0]-.3)
    assert np.abs(read_instrument(tmp_path/'a.jdx').spectra[0]-(X[0]-.3)[::-1]).max()<1e-6
    with pytest.raises(MirzaiError, match='evenly spaced'): write_jcamp(tmp_path/'b.jdx', w**2, X[0])
    assert not (tmp_path/'b.jdx').exists()

def test_thousand_files(soils, tmp_path):
    w,X = soils; data = opus(w, [('ab', X[0])])
    for i in range(1000): put(tmp_path, f'soil{i:04}.0', data if i!=500 else data[:700])
    start = time.monotonic(); got,warned = said(read_instruments, tmp_path)
    assert len(got)==999 and '1 of 1000' in warned[0] and 'soil0500.0' in warned[0]
    assert time.monotonic()-start<20       # about 5 s on one idle core

def same_in_parts(whole, f, **kw):
    "However small the parts: the same spectra, ids and properties, nothing said twice"
    want,warned = said(whole, f, **kw)
    for rows in (1, 7, 2048):
        parts,again = said(lambda rows=rows: list(spectra_chunks(f, rows=rows, **kw)))
        assert max(map(len, parts))<=rows and again==warned, (again, warned)
        got = concat(parts)
        if 'trouble' in got.properties: got = got[~got.properties.trouble.str.startswith('not read').to_numpy()]      # rows that the whole leaves out
        assert np.array_equal(got.spectra, want.spectra, equal_nan=True) and np.array_equal(got.wavenumbers, want.wavenumbers)
        pd.testing.assert_frame_equal(got.properties, want.properties, check_index_type=False)
    return want

@pytest.fixture
def table(sample):
    "Forty samples; text deep among the spectra and the properties, a row without any value, an infinite one"
    lib = sample[:40]
    t = pd.concat([lib.properties, pd.DataFrame(lib.spectra[:, ::8], index=lib.ids, columns=[f'{w:g}' for w in lib.wavenumbers[::8]])], axis=1)
    t = t.assign(plot=[f'{i:03}' for i in range(40)], site=[f'Zürich {i}, "north"' if i%3 else '' for i in range(40)]).rename_axis('id').astype(object)
    t.iloc[30, 100] = 'n.d.'; t.iloc[31] = np.nan; t.iloc[33, 0] = '<0.1'; t.iloc[34, 200] = np.inf
    return t

WRITE = dict(csv=lambda t, f: t.to_csv(f), semicolons=lambda t, f: t.map(lambda v: str(v).replace('.', ',') if isinstance(v, float) else v).to_csv(f, sep=';'),
             quoted=lambda t, f: t.to_csv(f, quoting=1), latin1=lambda t, f: t.to_csv(f, encoding='latin-1'), bom=lambda t, f: t.to_csv(f, encoding='utf-8-sig', lineterminator='\r\n'),
             tabs=lambda t, f: t.to_csv(f, sep='\t'), shuffled=lambda t, f: t.sample(frac=1, axis=1, random_state=0).to_csv(f),
             bare=lambda t, f: t.reset_index(drop=True).to_csv(f, index=False), no_properties=lambda t, f: t.iloc[:, 4:-2].to_csv(f, index=False),
             gz=lambda t, f: t.to_csv(f, compression='gzip'))

@pytest.mark.parametrize('style', WRITE)
def test_csv_in_parts(table, tmp_path, style):
    f = tmp_path/('t.csv.gz' if style=='gz' else 't.csv'); WRITE[style](table, f)
    got = same_in_parts(read_library, f)
    assert np.isnan(got.spectra[31]).all()                                # an empty row keeps its place: the others are numbered by it
    assert len(got)==40 and (~np.isfinite(got.spectra)).sum()==213+2
    assert list(got.ids[:2])==([1, 2] if style in ('bare', 'no_properties') else list(table.index[:2]))

@pytest.mark.parametrize('groups', [3, 9, 1000])
def test_parquet_in_parts(table, tmp_path, groups):
    numbers = table.iloc[:, 4:-2].apply(pd.to_numeric, errors='coerce')
    pd.concat([table.iloc[:, -2:], numbers], axis=1).to_parquet(tmp_path/'t.parquet', row_group_size=groups)
    assert np.isnan(same_in_parts(read_library, tmp_path/'t.parquet').spectra[31]).all()
    table.astype(str).reset_index(drop=True).to_parquet(tmp_path/'text.parquet', row_group_size=groups, index=False)
    assert list(same_in_parts(read_library, tmp_path/'text.parquet').ids)==list(range(1, 41))

def test_kssl_in_parts(sample, tmp_path):
    from test_libraries import kssl
    assert len(same_in_parts(read_library, kssl(tmp_path/'k', sample, b'\x80\x04}\x94\x8c\x08alfisols\x94K\x00s.')))==60

def test_reflectance_is_said_once(sample, tmp_path):
    from mirzai.library import SpectralLibrary
    lib = sample[:40]; X = lib.spectra.copy(); X[5:] = 10**-X[5:]
    write_library(SpectralLibrary(X, lib.wavenumbers, lib.properties), tmp_path/'r.csv')
    assert len(said(lambda: list(spectra_chunks(tmp_path/'r.csv', rows=4)))[1])==1
    assert same_in_parts(read_library, tmp_path/'r.csv', unit='reflectance') is not None

def test_folder_in_parts(soils, sample, tmp_path):
    "Files, tables and damaged files in a tree; replicates apart in the list; a name used twice"
    w,X = soils; day = tmp_path/'day'; (day/'more').mkdir(parents=True)
    for i in (1, 2, 10):
        for k in range(3): put(day, f's{i}.{k}', opus(w, [('ab', X[i]+(-1)**k*.01)]))
    put(day, 's2.9', opus(w, [('ab', X[2]-.1), ('ab', X[2])])); put(day, 's3.0', opus(w, [('ab', X[3]-.1), ('ab', X[3])]))
    put(day, 'bad.0', b'\n\n\xfe\xfe'); put(day/'more', 's1.dx', affn(w, X[4]))
    write_library(sample[:9], day/'old.csv'); write_library(sample[9:14], day/'more'/'s0.parquet'); (day/'more'/'x.csv').write_text('id,600\n')
    got = same_in_parts(read_instruments, day)
    assert len(got)==4+9+1+5 and {'day/s1', 'more/s1'}<set(got.ids) and got.properties.scans['s2']==4
    one = quiet(lambda: list(spectra_chunks(day/'s3.0')))[0]
    assert list(one.ids)==['s3'] and np.array_equal(one.spectra[0], X[3, ::-1])

def test_table_that_turns_bad(sample, tmp_path):
    "Rows of a bad table never pass for good ones: left out while that can be done, an error afterwards"
    lib = sample[np.arange(20)]; lib.spectra[15, 3] = 50; write_library(lib, tmp_path/'a.parquet'); write_library(sample[20:30], tmp_path/'b.parquet')
    got,warned = said(read_instruments, tmp_path)
    assert len(got)==10 and '1 of 2' in warned[0]
    got = concat(quiet(lambda: list(spectra_chunks(tmp_path))))
    assert list(got.ids[:1])==['a'] and len(got)==11 and 'cannot be absorbance' in got.properties.trouble.iloc[0]
    with pytest.raises(MirzaiError, match='cannot be absorbance'): quiet(lambda: list(spectra_chunks(tmp_path, rows=4)))

@pytest.mark.parametrize('rest', ['b,1\n', 'b'+',1'*13+'\n', 'b'+',1'*12+',\n'])
def test_a_row_of_another_length(tmp_path, rest):
    "pandas would fill a short row, and shift what follows a gap"
    f = tmp_path/'t.csv'; f.write_text('id,'+','.join(map(str, range(600, 612)))+'\na'+',1'*12+'\n'+rest)
    with pytest.raises(MirzaiError, match='row 2 has'): read_library(f)

def test_last_line_without_end(tmp_path):
    f = tmp_path/'t.csv'; f.write_text('id,'+','.join(map(str, range(600, 612)))+'\na'+',1'*12)
    got,warned = said(read_library, f)
    assert len(got)==1 and len(warned)==1 and 'no end' in warned[0]

@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='peak memory is read from /proc')
def test_memory_is_bounded(sample, tmp_path):
    "6,000 spectra in one row group, and in a CSV: in parts they add less to memory than they would take whole"
    import subprocess
    lib = sample[np.resize(np.arange(500), 6000)]; t = pd.DataFrame(lib.spectra, columns=[f'{w:g}' for w in lib.wavenumbers])
    t.to_parquet(tmp_path/'t.parquet'); t.iloc[:3000].to_csv(tmp_path/'t.csv.gz', float_format='%.4f', compression=dict(method='gzip', compresslevel=1))
    code = """if 1:
        import re, sys
        from mirzai import loading, instruments
        peak = lambda: int(re.search('VmHWM: *(.*) kB', open('/proc/self/status').read().replace(chr(9), ' '))[1])/1e3
        loading._group_spectra.__defaults__ = (4<<20,)
        list(instruments.spectra_chunks(sys.argv[2])); start = peak()
        n = sum(len(p) for p in instruments.spectra_chunks(sys.argv[1], rows=100)); print(n, peak()-start)"""
    write_library(sample[:5], tmp_path/'few.csv'); write_library(sample[:5], tmp_path/'few.parquet')
    for f,few,n in (('t.parquet', 'few.parquet', 6000), ('t.csv.gz', 'few.csv', 3000)):
        out = subprocess.run([sys.executable, '-c', code, tmp_path/f, tmp_path/few], capture_output=True, text=True, check=True).stdout.split()
        assert int(out[0])==n and float(out[1])<30, out               # whole: 41 MB, and as much again on the way

# --- several spectra in a file --------------------------------------------------------------------------------------

@pytest.mark.parametrize('name,write', [('day.spg', lambda w, Y: spg(w, Y)), ('day.dx', lambda w, Y: linked(*[affn(w, y) for y in Y])),
                                        ('more.jdx', lambda w, Y: b''.join(xypoints(w, y) for y in Y))])
def test_several_spectra(soils, tmp_path, name, write):
    "All of them, a row each, also in a folder and part by part; never the first alone"
    w,X = soils; f = put(tmp_path, name, write(w, X[2:6]))
    got = read_instrument(f)
    assert len(got)==4 and got.properties.index.is_unique and np.abs(got.spectra-X[2:6, ::-1]).max()<1e-5
    put(tmp_path, 'alone.0', opus(w, [('ab', X[0])]))
    for where in (f, tmp_path):
        whole = same_in_parts(read_instruments, where)
        rows = whole[(whole.properties.file==str(f)).to_numpy()]
        assert list(rows.ids)==list(got.ids) and np.array_equal(rows.spectra, got.spectra)
    assert len(whole)==5

def test_ids_of_several(soils, tmp_path):
    "Titles, if each has its own; numbers else; and the file's name in front of one that another file has"
    w,X = soils
    dated = 'north, Mon Jul 06 09:40:37 2026 (GMT+02:00)'
    ids = lambda name, titles: list(read_instrument(put(tmp_path, name, spg(w, X[:2], titles=titles))).ids)
    assert ids('a.spg', [dated, 'south.spa'])==['north', 'south']
    assert ids('a.spg', ['soil', 'soil'])==ids('a.spg', ['soil', ''])==ids('a.spg', None)==['a_1', 'a_2']
    assert ids('a.spg', ['/etc/passwd', '../../x'])==['-etc-passwd', '-..-x']
    ids('a.spg', ['B1', 'B2']); put(tmp_path, 'B1.0', opus(w, [('ab', X[4])]))
    got = quiet(read_instruments, tmp_path)
    assert got.properties.index.is_unique and len(got)==3 and {'B2', 'a.spg/B1'}<set(got.ids)

def test_one_of_several_is_refused(soils, tmp_path):
    "A single beam among absorbance: its row says so, the others are read; all refused is an error"
    w,X = soils; f = put(tmp_path, 'a.spg', spg(w, X[:3], codes=[17, 15, 17], titles=['x', 'y', 'z']))
    refuses(f, 'a single beam', 'y')
    got,warned = said(read_instruments, f)
    assert list(got.ids)==['x', 'z'] and any('1 spectra could not be read' in m and 'single beam' in m for m in warned)
    rows = concat(quiet(lambda: list(spectra_chunks(f))))
    assert list(rows.ids)==['x', 'y', 'z'] and rows.properties.trouble['y'].startswith('not read: holds a single beam')
    assert np.isnan(rows.by_id('y').spectra).all() and np.array_equal(rows.by_id('z').spectra[0], X[2, ::-1])
    f = put(tmp_path, 'b.spg', spg(w, X[:2], codes=[15, 22]))
    with pytest.raises(MirzaiError, match='single beam'): quiet(read_instruments, f)
    with pytest.raises(MirzaiError, match='single beam'): quiet(lambda: list(spectra_chunks(f)))

def test_damaged_groups(soils, tmp_path):
    w,X = soils; good = spg(w, X[:3])
    refuses(put(tmp_path, 'c.spg', good[:-4]), 'cut short')
    refuses(put(tmp_path, 'h.spg', good.replace(struct.pack('<Bx', 2)+good[322:330], struct.pack('<Bx', 9)+good[322:330])), 'headers for 3 spectra')
    entry = 288+16*3                                                                       # the first spectrum's values
    over = good[:entry+16*3+2]+good[entry+2:entry+6]+good[entry+16*3+6:]
    refuses(put(tmp_path, 'o.spg', over), 'overlap')
    refuses(put(tmp_path, 's.spg', good[:entry+6]+struct.pack('<I', 400)+good[entry+10:]), 'disagree')
    a,b = affn(w, X[0]),affn(w, X[1])
    refuses(put(tmp_path, 'l.dx', linked(a, b)[:-7]), 'cut short'); refuses(put(tmp_path, 'e.dx', a.replace(b'##END=', b'')+b), 'cut short')
    refuses(put(tmp_path, 'n.dx', linked(a, b'##TITLE=n\n##NTUPLES=NMR\n##PAGE=1\n##END=\n')), 'NTUPLES')

# --- JCAMP-DX as instruments write it ---------------------------------------------------------------------------------

SEEN = [('FIRSTX=4000.000000', 'FIRSTX=600.000000', 'LASTX=600.000000', 'LASTX=4000.000000'), ('FIRSTX=4000', 'FIRSTX=4003', 'LASTX=600', 'LASTX=603'),
        ('LASTX=600', 'LASTX=590'), ('FIRSTX=4000', 'FIRSTX=4001'), ('XFACTOR=1\n', 'XFACTOR=10\n'), ('FIRSTX', 'DELTAX=-4.0\n##FIRSTX')]

@pytest.mark.parametrize('changes', SEEN)
@pytest.mark.parametrize('write', [affn, xypoints, squeezed])
def test_a_header_that_contradicts_its_table(soils, tmp_path, changes, write):
    w,X = soils; text = write(w, X[0]).decode().replace('=4000.0\n', '=4000.000000\n').replace('=600.0\n', '=600.000000\n')
    if write is not affn and changes[0].startswith(('XFACTOR', 'FIRSTX')) and len(changes)==2: pytest.skip('not in this form')
    assert len(read_instrument(put(tmp_path, 'good.dx', text.encode())))==1
    for a,b in zip(changes[::2], changes[1::2]): assert a in text; text = text.replace(a, b)
    refuses(put(tmp_path, 'bad.dx', text.encode()), 'contradicts', 'by the header', 'by the table')

def test_a_first_value_that_is_another(soils, tmp_path):
    w,X = soils; y = X[0].astype(float)
    with_first = lambda v: affn(w, y, more=f'##FIRSTY={v:.6f}\n')
    read_instrument(put(tmp_path, 'a.dx', with_first(y[0]))); read_instrument(put(tmp_path, 'b.dx', with_first(1e6*y[0])))    # before YFACTOR: many write it so
    refuses(put(tmp_path, 'c.dx', with_first(3*y[0])), 'contradicts', 'FIRSTY')

def test_rounded_wavenumbers_are_no_contradiction(soils, tmp_path):
    "Lines that say 3996 for 3995.79, a DELTAX of two digits"
    w,X = soils; grid = 3999.64-1.92851*np.arange(1700); y = np.interp(grid, w[::-1], X[0, ::-1])
    text = affn(grid, y, more='##DELTAX=-1.93\n').decode().splitlines()
    rounded = [re.sub(r'^\d+[.]\d+', lambda m: f'{float(m[0]):.0f}', l) for l in text]
    got = read_instrument(put(tmp_path, 'a.dx', '\n'.join(rounded).encode()+b'\n'))
    assert np.abs(got.wavenumbers-grid[::-1]).max()<1e-3

@pytest.mark.parametrize('write', [affn, xypoints])
def test_decimal_commas(soils, tmp_path, write):
    w,X = soils; text = write(w, X[0]).decode()
    comma = '\n'.join(l if l.startswith(('##TITLE', '##JCAMP', '##XYDATA', '##XYPOINTS')) else l.replace(', ', ' ').replace('.', ',') for l in text.splitlines())
    got = read_instrument(put(tmp_path, 'a.dx', comma.encode()+b'\n'))
    assert np.array_equal(got.spectra, read_instrument(put(tmp_path, 'b.dx', text.encode())).spectra)

def test_commas_between_values(soils, tmp_path):
    w,X = soils; text = affn(w, X[0]).decode().splitlines()
    parted = '\n'.join(l if l.startswith('##') else l.replace('+', ',') for l in text)
    assert np.abs(read_instrument(put(tmp_path, 'a.dx', parted.encode()+b'\n')).spectra[0]-X[0, ::-1]).max()<1e-5

@pytest.mark.parametrize('write', [affn, xypoints])
def test_a_missing_value(soils, tmp_path, write):
    "Named, not filled, and the prediction's row says it"
    w,X = soils; lines = write(w, X[0]).decode().splitlines(); k = next(i for i,l in enumerate(lines) if l.startswith('##XY'))+9
    lines[k] = re.sub(r'[+-]\d+(?=[+-]\d+$)|(?<=, ).*$', '?', lines[k])
    got,warned = said(read_instrument, put(tmp_path, 'a.dx', '\n'.join(lines).encode()+b'\n'))
    gap = ~np.isfinite(got.spectra[0]); assert gap.sum()==1 and np.abs(got.spectra[0]-X[0, ::-1])[~gap].max()<1e-5
    assert len(warned)==1 and f'{got.wavenumbers[gap][0]:.0f} cm-1' in warned[0]
    rows = quiet(lambda: list(spectra_chunks(tmp_path/'a.dx')))[0]
    assert 'missing' in rows.properties.trouble.iloc[0] and np.isnan(rows.spectra).any()

# --- blocks of an OPUS file -------------------------------------------------------------------------------------------

def test_two_blocks_that_hold_the_same(soils, tmp_path):
    w,X = soils
    got,warned = said(read_instrument, put(tmp_path, 'a.0', opus(w, [('ab', X[0]), ('ab', X[0])])))
    assert not warned and np.array_equal(got.spectra[0], X[0, ::-1])

@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_the_compensated_block(soils, tmp_path, order):
    "Whichever is stored last: the one that is not the plain ratio of the file's own single channels"
    w,X = soils; reference = np.full(len(w), .02); blocks = [X[0], X[0]-.03*np.exp(-((w-2349)/8)**2)]
    ab = [('ab', blocks[k]) for k in order]
    raw = opus(w, [('sc', reference*10**-X[0].astype(float)), ('ref', reference), *ab])
    got,warned = said(read_instrument, put(tmp_path, 'a.0', raw+b'Atmospheric Compensation'))
    assert np.abs(got.spectra[0]-blocks[1][::-1]).max()<1e-6 and 'after atmospheric compensation' in warned[0]

def test_blocks_of_two_soils(soils, tmp_path):
    w,X = soils; refuses(put(tmp_path, 'a.0', opus(w, [('ab', X[0]), ('ab', X[1])])), 'as two soils do', 'keep one')

# --- files of others --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('name,raw,word', [('a.spc', b'\0K\4\3', 'GRAMS'), ('a.sp', b'PEPE\0', 'PerkinElmer'), ('a.sp', b'PE IR    SPECTRUM', 'PerkinElmer'), ('a.asd', b'as7\0', 'ASD'),
    ('a.dmt', b'\1\2', 'Agilent'), ('a.jws', b'\xd0\xcf\x11\xe0', 'JASCO'), ('a.srs', b'Spectral Exte File', 'OMNIC series'), ('a.pkl', b'\x80\x04', 'never opened'), ('a.0', b'%PDF', 'PDF'), ('a.qqq', b'hm', 'unknown')])
def test_other_kinds_are_named(tmp_path, name, raw, word): refuses(put(tmp_path, name, raw), word, 'export JCAMP-DX')

def test_doctor(soils, tmp_path, mirzai):
    import json
    w,X = soils; put(tmp_path, 'a.0', opus(w, [('ig', X[1]), ('ab', X[0])])); put(tmp_path, 'day.spg', spg(w, X[:2]))
    code,out,err = mirzai('doctor', tmp_path/'a.0', tmp_path/'day.spg')
    assert code==0 and not err and '* Absorbance' in out and 'the only absorbance block' in out and 'day_2' in out and 'mirzai predict MODEL' in out
    put(tmp_path, 'r.0', opus(w, [('refl', 10**-X[0])]))
    code,out,err = mirzai('doctor', tmp_path/'r.0'); assert code==2 and '--unit reflectance' in out and err.count('\n')==1
    code,out,err = mirzai('doctor', tmp_path/'r.0', '--unit', 'reflectance'); assert code==0 and '--unit reflectance' in out
    put(tmp_path, 'n.0', opus(np.arange(12000., 3999, -4), [('ab', np.full(2001, .5))])); put(tmp_path, 'x.spc', b'\0K\4\3'); (tmp_path/'e.0').write_bytes(b'')
    code,out,err = mirzai('doctor', tmp_path, '--json'); found = {Path(f['file']).name: f for f in json.loads(out)['files']}
    assert code==2 and {n for n,f in found.items() if f['readable']}=={'a.0', 'day.spg'} and len(found)==6
    assert '600 to 3999' in found['n.0']['missing'][0] or '600 to 4000' in found['n.0']['missing'][0]
    code,out,err = mirzai('doctor', tmp_path/'gone.0'); assert code==2 and 'check the name' in out
    for text in (out, err): assert not re.search(r'Error|Exception|Traceback|errno', text, re.I)

def test_no_name_of_python_in_a_refusal(soils, tmp_path):
    "Whatever a library throws, the line is for the owner of the file"
    from mirzai.instruments import SpectraFiles
    w,X = soils; put(tmp_path, 'a.0', opus(w, [('ab', X[0])])); put(tmp_path, 'b.dx', affn(w, X[0]).replace(b'4000.000+', b'4000.000+?x'))
    def onto(lib, wavenumbers): return [1]*np.bool_(True)
    with pytest.raises(MirzaiError) as e: list(SpectraFiles(tmp_path, wavenumbers=w, onto=onto).parts())
    assert 'damaged' in str(e.value) and 'Error' not in str(e.value)
    refuses(tmp_path/'b.dx', 'damaged'); 
    with pytest.raises(MirzaiError) as e: read_instrument(tmp_path/'b.dx')
    assert 'Exception' not in str(e.value)
