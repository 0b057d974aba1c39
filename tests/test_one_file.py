"One file, one number: what is read from a file depends on that file alone, and nothing that was not read goes by unnamed"
import os, random, shutil, warnings
import numpy as np, pandas as pd, pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pathlib import Path
from mirzai.instruments import SpectraFiles, group_scans, instrument_files, read_instruments, scan_spread, SPREAD_LIMIT
from mirzai.library import MirzaiError, SpectralLibrary, concat
from mirzai.loading import write_library
from mirzai.transforms import to_grid
from test_instruments import affn, opus, quiet, spa
from test_libraries import kssl

COLUMNS = ['file', 'instrument', 'scans', 'spread', 'trouble']

@pytest.fixture(scope='module')
def scene(sample):
    "A model's grid, falling wavenumbers of an instrument, spectra along those"
    return sample.wavenumbers[::8], sample.wavenumbers[::-2], sample.spectra[:, ::-2]

def put(folder, name, data):
    (f := folder/name).parent.mkdir(parents=True, exist_ok=True)
    f.write_bytes(data); return f

def read(paths, grid, rows=2048, **kw):
    "All rows, and the reader after its work"
    files = SpectraFiles(paths, wavenumbers=grid, onto=to_grid, **kw)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)                # what there is to say stands in `summary`
        lib = concat(list(files.parts(rows)))
    assert np.array_equal(lib.wavenumbers, grid)
    bad = lib.properties.trouble.str.startswith('not read').to_numpy()
    assert np.isnan(lib.spectra[bad]).all() and (bad==(lib.properties.scans==0)).all()
    if not all(Path(f).suffix in ('.csv', '.parquet') for f in lib.properties.file[bad]): assert bad.sum()==len(files.refused)
    return lib, files

def same(a, b):
    assert np.array_equal(a.spectra, b.spectra, equal_nan=True)
    pd.testing.assert_frame_equal(a.properties, b.properties, check_dtype=False)

# --- neighbours ---------------------------------------------------------------------------------------------------

def ours(w, X):
    "Files that have a right to be left alone: name -> bytes"
    fine = np.arange(4001.1, 598.9, -1.7); wide = np.arange(7498., 399, -3.9)
    on = lambda g,y: np.interp(g, w[::-1], y[::-1])
    return {'A7.0': opus(w, [('ab', X[0])]), 'A7.1': opus(w, [('ab', 1.01*X[0]+.01)]), 'B-1.0': opus(fine, [('ab', on(fine, X[1]))]),
            'B-2.0': opus(wide, [('ab', on(wide, X[2]))]), 'C_0-20.spa': spa(w, X[3]), 'D.2.dx': affn(w, X[4]), 'E10.0': opus(w[::2], [('ab', X[5][::2])])}

def neighbours(w, X):
    "Files that used to change or refuse the others"
    near = np.arange(12000, 3999, -8.); wide = np.arange(7500, 599, -2.)
    return {'0.0': opus(w[::10], [('ab', X[9][::10])]), '1wide.0': opus(wide, [('ab', np.interp(wide, w[::-1], X[9][::-1]))]), '2short.0': opus(w[:300], [('ab', X[9][:300])]),
            '3near.0': opus(near, [('ab', np.full(len(near), .5))]), '4broken.0': b'\n\n\xfe\xfe'+bytes(9), '5cut.0': opus(w, [('ab', X[9])])[:900], '6foreign.spc': b'x'*99,
            '7.xlsx': b'PK', '8text.0': b'no spectrum', 'z9.0': opus(w[::5], [('ab', X[8][::5])]), 'A6.1': opus(w, [('ab', X[7])]), 'F.SPA': spa(w, X[7]), 'notes.txt': b'##',
            'fields.csv': b'id,field\nA7,north\n', 'other.csv': b'id,'+','.join(f'{v:g}' for v in w[::5]).encode()+b'\nq,'+','.join(f'{v:.4f}' for v in X[6][::5]).encode()+b'\n'}

def test_a_file_and_its_neighbours(scene, tmp_path_factory):
    "Bit by bit the same alone, beside any others, in any order, as folder, as list, in parts of any size"
    grid,w,X = scene; mine,others = ours(w, X), neighbours(w, X)
    alone_in = tmp_path_factory.mktemp('alone')
    for n,data in mine.items(): put(alone_in, n, data)
    alone = {id: read([alone_in/n for n in mine if n.startswith(id+'.')], grid)[0] for id in ('A7', 'B-1', 'B-2', 'C_0-20', 'D.2', 'E10')}
    assert all(list(l.ids)==[id] for id,l in alone.items()) and alone['A7'].properties.scans.iloc[0]==2
    @settings(max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sets(st.sampled_from(sorted(others))), st.randoms(use_true_random=False), st.sampled_from([1, 3, 2048]))
    def check(some, rng, rows):
        folder = tmp_path_factory.mktemp('day', numbered=True)
        for n in some: put(folder, n, others[n])
        for n,data in mine.items(): put(folder, n, data)
        got,files = read(folder, grid, rows)
        for id,one in alone.items():
            row = got.by_id(id)
            assert np.array_equal(row.spectra, one.spectra) and len(row)==1
            assert row.properties[COLUMNS[1:]].equals(one.properties[COLUMNS[1:]])
        every = list(folder.iterdir()); rng.shuffle(every)
        listed,again = read(every, grid, rows)
        same(got, listed); assert again.others==files.others and again.summary()==files.summary()
        assert set(got.ids[got.properties.scans==0])=={n.rpartition('.')[0] for n in some&{'2short.0', '3near.0', '4broken.0', '5cut.0', '8text.0'}}
        assert files.others.total()==len(some&{'6foreign.spc', '7.xlsx', 'notes.txt', 'fields.csv'})
        shutil.rmtree(folder)
    check()

def test_table_rows_and_their_neighbours(sample, scene, tmp_path):
    "A table on a grid of its own, in parts, beside files on others"
    grid,w,X = scene
    lib = SpectralLibrary(sample.spectra[:20, ::3], sample.wavenumbers[::3], sample.properties[:20]); write_library(lib, tmp_path/'t.csv')
    alone,_ = read(tmp_path/'t.csv', grid); assert len(alone)==20 and (alone.properties.scans==1).all()
    put(tmp_path, 'a.0', opus(w[::10], [('ab', X[30][::10])])); put(tmp_path, 'z.0', opus(w, [('ab', X[31])]))
    kssl(tmp_path/'library', sample, b'\x80\x04}\x94\x8c\x08alfisols\x94K\x00s.')
    for rows in (7, 2048):
        got,files = read(tmp_path, grid, rows)
        assert np.array_equal(got.by_id(sample.ids[:20]).spectra, alone.spectra) and len(got)==20+2+60 and not files.refused

def test_no_grid_given(scene, tmp_path):
    "Which grid is taken does not depend on the order, nor on who is first"
    grid,w,X = scene
    for n,data in (ours(w, X)|{'0.0': opus(w[::10], [('ab', X[9][::10])])}).items(): put(tmp_path, n, data)
    got = quiet(read_instruments, tmp_path); assert np.allclose(got.wavenumbers, w[::-1])
    every = list(tmp_path.iterdir()); random.Random(1).shuffle(every)
    same(got, quiet(read_instruments, every))

# --- which files are scans of one soil ----------------------------------------------------------------------------

def ids_of(folder, names, grid, w, X, **kw):
    for i,n in enumerate(names): put(folder, n, (spa if n.lower().endswith('.spa') else affn if n.endswith('.dx') else lambda w,y: opus(w, [('ab', y)]))(w, X[i]))
    lib,files = read(folder, grid, **kw)
    return dict(zip(lib.ids, lib.properties.scans)), files

@pytest.mark.parametrize('names,want', [
    (['field-1.0', 'field-2.0', 'field-3.0'], {'field-1': 1, 'field-2': 1, 'field-3': 1}),
    ([f'soil_{i:02}.0' for i in range(8, 14)], {f'soil_{i:02}': 1 for i in range(8, 14)}),
    (['north_2024-05-11.0', 'north_2024-05-12.0'], {'north_2024-05-11': 1, 'north_2024-05-12': 1}),
    (['P1_0-20.0', 'P1_20-40.0'], {'P1_0-20': 1, 'P1_20-40': 1}), (['B12.2.dx', 'B12.3.dx'], {'B12.2': 1, 'B12.3': 1}),
    (['B (1).spa', 'B (2).spa'], {'B (1)': 1, 'B (2)': 1}), (['A7.0', 'A7.1', 'A7.10', 'A7.2'], {'A7': 4}), (['A7.000', 'A7.001'], {'A7': 2}),
    (['A7.1.0', 'A7.1.1', 'A7.2.0'], {'A7.1': 2, 'A7.2': 1}), (['A7.0', 'A7.dx'], {'A7.0': 1, 'A7.dx': 1}), (['A7.SPA', 'A8.spa'], {'A7': 1, 'A8': 1}),
    (['s2.0', 's10.0', 's1.0'], {'s1': 1, 's2': 1, 's10': 1}), (['mon/A7.0', 'tue/A7.0', 'tue/A8.0'], {'mon/A7': 1, 'tue/A7': 1, 'A8': 1})])
def test_soils(scene, tmp_path, names, want):
    grid,w,X = scene; X = np.stack([X[0]*(1+.001*i) for i in range(9)])
    got,files = ids_of(tmp_path, names, grid, w, X); assert got==want
    if names==['s2.0', 's10.0', 's1.0']: assert list(got)==list(want)
    if any('/' in i for i in want) or 'A7.dx' in want: assert any('stand more than once' in r for r in files.remarks)

def test_pattern(scene, tmp_path):
    grid,w,X = scene; X = np.stack([X[0]*(1+.001*i) for i in range(9)])
    names = ['235157XS01.0', '235157XS02.0', '235157XS02.1', '9XS01.0']
    assert ids_of(tmp_path, names, grid, w, X, replicates=r'XS\d\d')[0]=={'9': 1, '235157': 3}
    assert ids_of(tmp_path, names, grid, w, X)[0]=={'9XS01': 1, '235157XS01': 1, '235157XS02': 2}
    assert len(ids_of(tmp_path, names, grid, w, X, replicates='none')[0])==4
    assert not read(tmp_path, grid, replicates=r'XS\d\d')[1].remarks
    assert 'is the ending of no file' in ' '.join(read(tmp_path, grid, replicates=r'_rep\d')[1].summary())
    for bad in ('(', r'\w+', '[', 3, None, False):
        with pytest.raises(MirzaiError, match='^.*replicates .*: .*$'): SpectraFiles(tmp_path, replicates=bad)

def test_pattern_does_not_join_tables_or_folders(scene, sample, tmp_path):
    grid,w,X = scene
    for n in ('a_rep1.parquet', 'a_rep2.parquet'): write_library(sample[:3], tmp_path/n)
    for n in ('mon/b_rep1.0', 'tue/b_rep2.0'): put(tmp_path, n, opus(w, [('ab', X[0])]))
    got,files = read(tmp_path, grid, replicates=r'_rep\d')
    assert list(got.ids[-2:])==['mon/b', 'tue/b'] and len(got)==8
    assert any('stands on several rows' in r and str(sample.ids[0]) in r for r in files.remarks)

def test_one_id_twice(scene, tmp_path):
    "Within a table, between table and file: said once, by name"
    grid,w,X = scene; row = ','.join(['.5']*len(grid))
    put(tmp_path, 't.csv', ('id,'+','.join(f'{v:g}' for v in grid)+''.join(f'\n{i},{row}' for i in ('x', 'x', 'y', 'A7'))+'\n').encode())
    put(tmp_path, 'A7.0', opus(w, [('ab', X[0])]))
    got,files = read(tmp_path, grid)
    assert list(got.ids)==[f'{tmp_path.name}/A7', 'x', 'x', 'y', 'A7']
    assert [r for r in files.remarks if 'id x stands' in r] and [r for r in files.remarks if f'{tmp_path.name}/A7' in r]

def test_spread(scene, sample, tmp_path):
    "Two soils under one name are found, the same soil scanned again is not"
    grid,w,X = scene; rng = np.random.default_rng(0)
    for i in range(40):
        a,b = rng.choice(500, 2, replace=False)
        for k,y in enumerate((X[a], X[b])): put(tmp_path, f'two{i}.{k}', opus(w, [('ab', y)]))
        for k in range(3): put(tmp_path, f'one{i}.{k}', opus(w, [('ab', X[a]*rng.normal(1, .03)+rng.normal(0, .01)+rng.normal(0, .001, len(w)))]))
    lib,files = read(tmp_path, grid); p = lib.properties
    two,one = p[p.index.str.startswith('two')],p[p.index.str.startswith('one')]
    assert (two.spread>SPREAD_LIMIT).all() and two.trouble.str.contains('2 scans differ by').all()
    assert (one.spread<SPREAD_LIMIT).all() and (one.trouble=='').all() and (one.scans==3).all()
    assert any('40 soil(s)' in s and 'are they one soil' in s for s in files.summary())

def test_one_stranger_among_many(scene, tmp_path):
    grid,w,X = scene
    for k in range(12): put(tmp_path, f'a.{k}', opus(w, [('ab', X[252 if k==7 else 144])]))
    lib,files = read(tmp_path, grid)
    assert 'mostly a.7' in lib.properties.trouble.iloc[0] and any('more than 10 scans (a)' in s for s in files.summary())
    pair = scan_spread(X[[252, 144]], w[::-1]); assert pair[0]>SPREAD_LIMIT and np.isnan(scan_spread(X[:1], w[::-1])).all()

# --- what is not read ---------------------------------------------------------------------------------------------

def test_refused_scan_of_a_soil(scene, tmp_path):
    "The others are averaged; the damaged one has a row of its own; where none can be read the first has the soil's id"
    grid,w,X = scene; good = opus(w, [('ab', X[0])])
    for n,data in {'A7.0': good, 'A7.1': good[:900], 'A7.2': good, 'B.0': good[:900], 'B.1': b'', 'C.0': b'text', 'C.dx': affn(w, X[1])}.items(): put(tmp_path, n, data)
    lib,files = read(tmp_path, grid)
    assert dict(zip(lib.ids, lib.properties.scans))=={'A7': 2, 'A7.1': 0, 'B': 0, 'B.1': 0, 'C.0': 0, 'C': 1}
    assert lib.properties.trouble['A7']=='' and 'cut short' in lib.properties.trouble['A7.1'] and len(files.refused)==4
    assert '4 of 7 files could not be read' in files.summary()[1] and files.summary()[0].startswith('3 of 7 files read: 2 soils')
    assert [Path(f).name for f in lib.properties.file]==['A7.0', 'A7.1', 'B.0', 'B.1', 'C.0', 'C.dx']

def test_a_damaged_neighbour_renames_nobody(scene, tmp_path):
    grid,w,X = scene; put(tmp_path, 'mon/A7.0', opus(w, [('ab', X[0])])); put(tmp_path, 'tue/A7.spa', b'nothing')
    lib,_ = read(tmp_path, grid); assert list(lib.ids)==['A7', 'A7.spa'] and list(lib.properties.scans)==[1, 0]

def test_numbered_but_not_opus(scene, tmp_path):
    "A7.1 that is JCAMP-DX is no scan of OPUS's A7"
    grid,w,X = scene; put(tmp_path, 'A7.0', opus(w, [('ab', X[0])])); put(tmp_path, 'A7.1', affn(w, X[0]))
    lib,_ = read(tmp_path, grid); assert dict(lib.properties.scans)=={'A7.0': 1, 'A7.1': 1}

def test_scan_with_gaps(scene, tmp_path):
    grid,w,X = scene; R = 10**-X[0]; holes = R.copy(); holes[200] = -.1
    for n,y in (('a.0', R), ('a.1', holes), ('a.2', R), ('b.0', holes)): put(tmp_path, n, opus(w, [('refl', y)]))
    lib,_ = read(tmp_path, grid, unit='reflectance')
    assert dict(lib.properties.scans)=={'a': 2, 'a.1': 0, 'b': 1} and np.isfinite(lib.by_id('a').spectra).all()
    assert 'missing at some wavenumbers' in lib.properties.trouble['a.1'] and 'missing at some wavenumbers' in lib.properties.trouble['b']

def test_other_kinds(scene, tmp_path):
    "In a folder they are counted by kind; named by themselves they have a row; a hidden file is nobody's business"
    grid,w,X = scene; put(tmp_path, 's.0', opus(w, [('ab', X[0])]))
    for e in ('spc', 'spg', 'sp', 'asd', 'dmt', 'dpt', 'xlsx', 'txt', 'tsv'): put(tmp_path, f'x.{e}', b'x'*100)
    put(tmp_path, '.DS_Store', b'x'); put(tmp_path, '.hidden/a.0', b'x'); put(tmp_path, 'Makefile', b'x')
    lib,files = read(tmp_path, grid)
    assert list(lib.ids)==['s'] and files.others.total()==10 and not files.refused
    assert '10 files of other kinds were not read (.asd 1, .dmt 1, ' in files.summary()[1] and 'no extension 1' in files.summary()[1]
    named,files = read([tmp_path/'s.0', tmp_path/'x.spc', tmp_path/'gone.0'], grid)
    assert list(named.ids)==['gone', 's', 'x'] and named.properties.trouble['gone']=='not read: no such file' and 'is a GRAMS spectrum (.spc)' in named.properties.trouble['x']
    every = [*(f for f in tmp_path.iterdir() if f.is_file()), tmp_path/'gone.spc']
    lib,files = read(every, grid); assert list(lib.ids)==['gone', 's'] and files.others.total()==10
    with pytest.raises(MirzaiError, match='no instrument files.*10 files of other kinds'): (tmp_path/'s.0').unlink(); SpectraFiles(tmp_path)

def test_an_opus_file_by_another_name(scene, tmp_path):
    "The first bytes say what a file is, in a folder as by name"
    grid,w,X = scene; f = put(tmp_path, 'A7.opus', opus(w, [('ab', X[0])])); put(tmp_path, 'notes.md', b'## Day one\n')
    lib,files = read(tmp_path, grid); same(lib, read(f, grid)[0]); assert files.others=={'.md': 1}

def test_group_of_spectra(scene, tmp_path):
    "A group that lacks a header is refused by name, not read for its first spectrum"
    grid,w,X = scene; raw = bytearray(spa(w, X[0])); raw[336:352] = raw[320:336]
    put(tmp_path, 'day.spg', bytes(raw)); put(tmp_path, 's.0', opus(w, [('ab', X[0])]))
    lib,_ = read(tmp_path, grid); assert '1 headers for 2 spectra' in lib.properties.trouble['day']

def test_each_file_once(scene, tmp_path):
    "A folder given twice, a file by two paths, a link"
    grid,w,X = scene; a = put(tmp_path, 'day/A7.0', opus(w, [('ab', X[0])])); put(tmp_path, 'day/B.0', opus(w, [('ab', X[1])]))
    (tmp_path/'day'/'0.0').symlink_to(a); (tmp_path/'also').symlink_to(tmp_path/'day'); (tmp_path/'day'/'up').symlink_to(tmp_path)
    one,_ = read(tmp_path/'day', grid); assert list(one.ids)==['A7', 'B'] and (one.properties.scans==1).all()
    for paths in ([tmp_path/'day']*2, [tmp_path/'day', a], [a, tmp_path/'day'], [tmp_path/'day'/'..'/'day', tmp_path/'day'], tmp_path):
        same(one, read(paths, grid)[0].by_id(['A7', 'B'])) if paths is not tmp_path else None
        assert len(read(paths, grid)[0])==2
    here = os.getcwd(); os.chdir(tmp_path/'day')
    try:
        got,_ = read(['B.0', a], grid)
        (tmp_path/'day'/'A7.1').write_bytes(a.read_bytes()); two,_ = read(['A7.1', a], grid)               # one folder, spelt in two ways
    finally: os.chdir(here)
    assert list(got.ids)==['A7', 'B'] and np.array_equal(got.spectra, one.spectra) and dict(two.properties.scans)=={'A7': 2}

def test_subfolders_and_globs(scene, tmp_path):
    "A tree, the glob of its top, all its files in any order"
    grid,w,X = scene
    for i,n in enumerate(['a.0', 'a.1', 'mon/b.0', 'mon/c.spc', 'tue/b.0', 'tue/deep/d.0', 'notes.txt']): put(tmp_path, n, opus(w, [('ab', X[0]*(1+.001*i))]) if n[-1] in '01' else b'x'*30)
    tree,files = read(tmp_path, grid); assert list(tree.ids)==['a', 'mon/b', 'tue/b', 'd']
    every = [f for f in tmp_path.rglob('*') if f.is_file()]; random.Random(0).shuffle(every)
    for paths in (list(tmp_path.iterdir()), every):
        got,again = read(paths, grid); same(tree, got); assert again.others==files.others=={'.spc': 1, '.txt': 1}

def test_warnings_of_all_files_are_told_once(scene, tmp_path):
    grid,w,X = scene; inner = (w>602)&(w<3998)
    for i in range(30): put(tmp_path, f's{i}.0', opus(w[inner], [('ab', X[i][inner])]))
    _,files = read(tmp_path, grid); said = [s for s in files.summary() if 'filled with the edge value' in s]
    assert len(said)==1 and 's0.0, s1.0, s2.0 and 27 more' in said[0]

def test_nothing_can_be_read(scene, tmp_path):
    grid,w,X = scene; put(tmp_path, 'a.0', b'text'); put(tmp_path, 'b.0', opus(w[:300], [('ab', X[0][:300])]))
    for kw in (dict(wavenumbers=grid, onto=to_grid), dict(wavenumbers=grid)):
        with pytest.raises(MirzaiError, match='none of 2 files could be read; the first: .*a.0'): list(SpectraFiles(tmp_path, **kw).parts())
    with pytest.raises(MirzaiError, match='b.0: spectra do not cover'): list(SpectraFiles(tmp_path/'b.0', wavenumbers=grid, onto=to_grid).parts())

def test_whatever_goes_wrong_on_the_way_is_one_file_s_fault(scene, tmp_path):
    "`onto` may fail as it likes"
    grid,w,X = scene
    for n in 'abc': put(tmp_path, f'{n}.0', opus(w, [('ab', X[0])]))
    def onto(lib, wavenumbers):
        if lib.ids[0]=='b': raise ZeroDivisionError('oh')
        return to_grid(lib, wavenumbers)
    lib = concat(list(SpectraFiles(tmp_path, wavenumbers=grid, onto=onto).parts()))
    assert list(lib.properties.scans)==[1, 0, 1] and lib.properties.trouble['b'].startswith('not read: ')

def test_read_twice(scene, tmp_path):
    "The same reader may be asked again"
    grid,w,X = scene; put(tmp_path, 'a.0', opus(w, [('ab', X[0])])); put(tmp_path, 'b.0', b'')
    for kw in (dict(wavenumbers=grid), {}):
        files = SpectraFiles(tmp_path, **kw); one = concat(list(files.parts())); said = files.summary()
        same(one, concat(list(files.parts(1)))); assert files.summary()==said

def test_instrument_files_and_groups_in_any_order(scene, tmp_path):
    names = ['b10.0', 'b2.0', 'b2.1', 'a/b2.0', 'c.spa', 'x.pdf', 'a/t.parquet']
    for n in names: put(tmp_path, n, b'\n\n\xfe\xfe' if n[-1] in '01' else b'x')
    found = instrument_files(tmp_path); rng = random.Random(3)
    for _ in range(10):
        every = [tmp_path/n for n in names]; rng.shuffle(every)
        assert instrument_files(every)==found and group_scans(instrument_files(every)[0])==group_scans(found[0])
    assert [len(g) for g in group_scans(found[0])]==[2, 1, 1, 1, 1]
