"Where soils come from goes with them; libraries and tables in memory become each other"
import numpy as np, pandas as pd, pytest
from mirzai.all import (MirzaiError, Origin, SpectralLibrary, concat, is_synthetic, load_limesoda, load_sample, prepared, read_instruments,
                        read_library, rescanned, synthetic_library, to_grid, write_library)
from mirzai.origin import MADE_UP, SAMPLE, UNKNOWN, joined, origin_in
from mirzai.units import MG_K

MINE = Origin('my farm', 'CC0', 'me', 'Kenya', 'mehlich3')

@pytest.fixture
def farm():
    lib = load_sample()[:30].select('kex')
    return SpectralLibrary(lib.spectra, lib.wavenumbers, lib.properties.set_axis([f'f-{i}' for i in range(len(lib))]), 'farm', origin=MINE)

def renamed(lib, prefix='x'):
    "The same soils under ids that tell nothing: only the origin says where they come from"
    return lib.like(properties=lib.properties.set_axis(pd.Index([f'{prefix}{i}' for i in range(len(lib))], name='id')))

@pytest.fixture
def made(farm): return synthetic_library(40, wavenumbers=np.arange(600, 4001, 2.))

@pytest.mark.parametrize('step', [
    lambda lib: lib[3:9], lambda lib: lib[[2, 1]], lambda lib: lib.by_id(lib.ids[:2]), lambda lib: lib.select('kex'), lambda lib: lib.usable('kex'),
    lambda lib: lib.drop(np.arange(len(lib))<2, 'two'), lambda lib: lib+lib, lambda lib: to_grid(lib, np.arange(700, 3900, 4.)), lambda lib: lib.between(700),
    lambda lib: lib.stated('kex'), lambda lib: prepared(lib, 'plsr'), lambda lib: lib.with_values(pd.DataFrame(dict(ph=6.), index=lib.ids))])
def test_every_step_keeps_it(farm, step): assert step(farm).origin==MINE

def test_a_parquet_file_keeps_it_and_a_csv_says_what_ids_tell(farm, tmp_path):
    for name,lib,back in (('a.parquet', farm, MINE), ('a.csv', farm, UNKNOWN), ('b.csv', load_sample()[:9], SAMPLE), ('c.csv', synthetic_library(5), MADE_UP),
                          ('b.parquet', renamed(load_sample()[:9]), SAMPLE), ('c.parquet', renamed(synthetic_library(5)), MADE_UP),
                          ('e.csv', renamed(synthetic_library(5)), UNKNOWN), ('d.parquet', load_limesoda('O.32'), load_limesoda('O.32').origin)):
        write_library(lib, tmp_path/name)
        assert read_library(tmp_path/name).origin==back and read_library(tmp_path/name)[:2].origin==back

@pytest.mark.parametrize('note', [b'{', b'[]', b'"x"', b'{"name": {"a": 1}, "synthetic": "yes", "__class__": "os"}', b'\xff', b'null'])
def test_a_note_from_anywhere_is_only_a_note(note): assert origin_in({b'mirzai.origin': note}) in (None, UNKNOWN)

def test_one_made_up_part_makes_the_whole_made_up(farm, made):
    both = concat([farm, renamed(made)])
    assert both.origin.synthetic and both.origin.country=='' and both.origin.method=='' and 'CC0' in both.origin.licence
    known = synthetic_library(5)
    known.properties = renamed(known).properties
    assert rescanned(known).origin==MADE_UP

@pytest.mark.parametrize('name', [lambda made: made, renamed], ids=['by ids', 'by origin'])
@pytest.mark.parametrize('back', ['', '.csv', '.parquet'])
def test_what_is_true_of_a_part_stays_with_its_rows(made, tmp_path, name, back):
    sample, made = load_sample()[:80], name(made)
    mix = sample+made
    if back:
        write_library(mix, tmp_path/f'mix{back}')
        mix = read_library(tmp_path/f'mix{back}')
    assert [is_synthetic(l) for l in (mix, mix[:80], mix[80:], mix[:1], mix[79:81])]==[True, False, True, False, True]
    assert [l.method() for l in (mix, mix[:80], mix[80:])]==['acetate 80, unknown 40', 'acetate', 'unknown']
    assert back=='.csv' or mix[:80].origin.licence==mix.origin.licence=='CC BY 4.0 + not known'
    again = (mix+load_sample()[80:90])+mix[:3]
    assert not is_synthetic(again[-13:]) and is_synthetic(again[80:120]) and again[-13:].method()=='acetate'

def test_methods_by_rows_where_only_one_part_has_the_column(farm):
    told = renamed(farm).like(properties=renamed(farm).properties.assign(kex_method='bacl2'))
    sample, n = load_sample()[:80], len(farm)
    for both in (sample+told, told+sample): assert both.method()==f'acetate 80, bacl2 {n}'
    assert (sample+farm).method()==f'acetate 80, mehlich3 {n}' and (sample+farm)[-2:].method()=='mehlich3'
    assert 'kex_method' not in sample+sample and 'synthetic' not in sample+farm
    spectra = renamed(farm).like(properties=renamed(farm).properties[['clay']])
    assert (sample+spectra).method()=='acetate'                                     # what was not measured has no method

def test_an_origin_is_joined_however_a_part_came_in(tmp_path):
    sample = load_sample()[:20]
    own = sample.like(properties=sample.properties.set_axis([f'own-{i}' for i in range(20)]))
    own.origin = None
    write_library(sample, tmp_path/'s.csv'); write_library(own, tmp_path/'own.csv')
    from_files = read_library(tmp_path/'s.csv')+read_library(tmp_path/'own.csv')
    assert from_files.origin==(sample+own).origin and from_files.origin.licence=='CC BY 4.0 + not known'
    assert (read_library(tmp_path/'s.csv')+read_library(tmp_path/'s.csv')[:3]).origin==SAMPLE
    assert (own+own[:3]).origin==UNKNOWN and (sample[:0]+sample).origin==SAMPLE==(sample+own[:0]).origin

def test_joins_of_joins_do_not_grow(farm, made):
    a,b = load_sample()[:3], farm[:3]
    whole = a+b
    for part in (a, b, whole, b): whole = whole+part
    assert whole.origin==(a+b).origin and whole.origin.licence=='CC BY 4.0 + CC0'
    assert joined([]) is UNKNOWN

def test_a_refused_file_says_nothing_of_the_good_rows(tmp_path):
    write_library(load_sample()[:5], tmp_path/'good.csv')
    (tmp_path/'bad.0').write_bytes(b'no spectrum')
    with pytest.warns(UserWarning, match='bad'): lib = read_instruments(tmp_path)
    assert len(lib)==5 and lib.origin==SAMPLE and lib.method()=='acetate' and list(lib.ids)==list(load_sample()[:5].ids)

def test_new_values_have_their_own_method(farm, tmp_path):
    mine = load_sample()[:20]
    values = pd.DataFrame(dict(kex=.3), index=mine.ids)
    mine.properties = mine.properties.assign(kex_limit=.2, kex_unit='cmol/kg')
    write_library(mine, tmp_path/'s.csv'); write_library(mine, tmp_path/'s.parquet')
    values.rename_axis('id').to_csv(tmp_path/'v.csv')
    spectra = mine.like(properties=mine.properties[['clay']])
    with pytest.warns(UserWarning, match='takes the place of kex'): new = mine.with_values(values)
    assert new.method()=='unknown' and (new.limit()==.06).all() and new.origin==SAMPLE and spectra.with_values(values).method()=='unknown'
    for f in ('s.csv', 's.parquet'):
        with pytest.warns(UserWarning, match='takes the place of kex'):
            assert read_library(tmp_path/f, values=tmp_path/'v.csv').method()=='unknown'
            assert read_library(tmp_path/f, values=tmp_path/'v.csv', kex_method='bacl2').method()=='bacl2'
    with pytest.warns(UserWarning): assert mine.with_values(values.assign(kex_method='M3')).method()=='mehlich3'
    told = mine.like(properties=mine.properties.assign(kex_method='cal', oc_method='dry', oc=1.))
    with pytest.warns(UserWarning): both = told.with_values(values)
    assert both.method()=='unknown' and both.method('oc')=='dry'
    with pytest.warns(UserWarning): assert 'kex_method' not in renamed(mine[:0]+farm).with_values(values.set_axis([f'x{i}' for i in range(20)])[:9].assign(ph=6.)[['ph']])

def test_properties_and_parts_that_cannot_be(farm):
    twice = pd.concat([farm.properties, farm.properties[['kex']]], axis=1)
    with pytest.raises(MirzaiError, match='farm: two columns for property kex: keep one of each'): farm.like(properties=twice)
    for none in ([], iter(())):
        with pytest.raises(MirzaiError, match='no library') as e: concat(none)
        assert '\n' not in str(e.value)
    assert len(concat(farm[i] for i in range(3)))==3

def test_the_method_is_that_of_the_origin_unless_the_table_says(farm):
    assert farm.method()=='mehlich3' and farm.method('oc')=='unknown'
    assert farm.like(properties=farm.properties.assign(kex_method='bacl2')).method()=='bacl2'

def test_a_frame_and_back(farm):
    back = SpectralLibrary.from_frame(farm.to_frame(), origin=MINE)
    assert np.array_equal(back.spectra, farm.spectra) and np.array_equal(back.wavenumbers, farm.wavenumbers) and back.origin==MINE
    pd.testing.assert_frame_equal(back.properties, farm.properties.rename_axis('id'))

def test_a_frame_with_numbers_for_columns_and_no_ids(farm):
    t = pd.DataFrame(farm.spectra, columns=farm.wavenumbers).assign(clay=20.)
    lib = SpectralLibrary.from_frame(t)
    assert np.array_equal(lib.spectra, farm.spectra) and list(lib.properties)==['clay'] and list(lib.ids)==list(range(1, len(t)+1))

def test_refused_in_one_line(farm):
    spectra = pd.DataFrame(farm.spectra, columns=farm.wavenumbers)
    for bad in (farm.spectra, spectra[:0], farm.properties, spectra.set_axis(range(spectra.shape[1]), axis=1), 100*spectra, pd.concat([spectra, spectra], axis=1)):
        with pytest.raises(MirzaiError) as e: SpectralLibrary.from_frame(bad)
        assert '\n' not in str(e.value) and str(e.value).startswith('table: ')
    with pytest.raises(MirzaiError, match="farm: no property 'x'; there are: kex"): farm['x']
    with pytest.raises(MirzaiError, match='different wavenumbers'): farm+farm.between(700)

def frame_of(lib, **more): return lib.to_frame().reset_index(drop=True).assign(**more)

def test_a_frame_s_unit_is_applied(farm):
    k = farm.y()
    told = farm.to_frame().assign(kex=k*MG_K, kex_unit='mg/kg', kex_method='Mehlich-3', kex_limit=25., oc=farm.y('oc')*10, oc_unit='g/kg', clay=farm.y('clay')/100,
                                  clay_unit='share', cec=farm.y('cec')*10, cec_unit='mmol/kg')
    lib = SpectralLibrary.from_frame(told)
    for target in ('kex', 'oc', 'clay', 'cec'): np.testing.assert_allclose(lib.y(target), farm.y(target))
    np.testing.assert_allclose(lib.limit(), 25/MG_K)
    assert lib.method()=='mehlich3' and set(lib['kex_unit'])=={'cmol/kg'}
    with pytest.raises(MirzaiError, match='table: kex_unit: unit .parsec'): SpectralLibrary.from_frame(told.assign(kex_unit='parsec'))

def test_a_frame_s_ids(farm):
    plain = frame_of(farm, sample_id=[f'p{i}' for i in range(len(farm))])
    rich = plain[plain.kex>.3]
    assert list(SpectralLibrary.from_frame(rich).ids)==list(rich.sample_id) and list(SpectralLibrary.from_frame(plain[3:9]).ids)==list(plain.sample_id[3:9])
    numbered = rich.rename(columns=dict(sample_id='id')).assign(id=range(300, 300+len(rich)))
    assert list(SpectralLibrary.from_frame(numbered).ids)==list(map(str, numbered.id))
    assert list(SpectralLibrary.from_frame(numbered.set_index(rich.sample_id).drop(columns='id')).ids)==list(rich.sample_id)
    by_index = SpectralLibrary.from_frame(plain.set_index('sample_id', drop=False))
    assert list(by_index.ids)==list(plain.sample_id) and by_index.properties.index.name=='id'
    assert list(SpectralLibrary.from_frame(numbered.set_index('id', drop=False)).ids)==list(numbered.id)
    labels = frame_of(farm).set_axis(range(700, 700+len(farm)))                     # laboratory numbers, and no column of ids
    assert list(SpectralLibrary.from_frame(labels[labels.kex>.3]).ids)==list(map(str, labels.index[labels.kex>.3]))

def test_there_and_back_the_ids_are_the_same(farm):
    counted = SpectralLibrary(farm.spectra, farm.wavenumbers, farm.properties.reset_index(drop=True))
    named = farm.like(properties=farm.properties.assign(name='soil', sample=range(len(farm))))
    file_like = SpectralLibrary.from_frame(frame_of(farm))
    for lib in (farm, counted, named, file_like):
        for part in (lib, lib[3:9], lib[lib.y()>.3], lib[[5, 2]]):
            back = SpectralLibrary.from_frame(part.to_frame())
            assert list(back.ids)==list(part.ids) and list(back.properties)==list(part.properties)

def test_ids_that_are_none_are_refused_in_one_line(farm):
    plain = frame_of(farm)
    ids = [f'p{i}' for i in range(len(plain))]
    gap = [None, *ids[1:]]
    for bad,says in ((plain.set_index([pd.Index(ids), pd.Index(ids)]), 'levels'), (plain.set_index(pd.Index(gap)), '1 row.s. without an id'),
                     (plain.assign(id=gap), '1 row.s. without an id'), (plain.assign(sample_id=['', *ids[1:]]), '1 row.s. without an id'),
                     (plain.assign(id=range(len(plain))).set_index(pd.Index(ids, name='plot')), 'plot')):
        with pytest.raises(MirzaiError, match=says) as e: SpectralLibrary.from_frame(bad)
        assert '\n' not in str(e.value) and str(e.value).startswith('table: ')

def test_a_property_called_id_is_not_written(farm, tmp_path):
    lib = farm.like(properties=farm.properties.assign(id=1))
    for f in ('a.csv', 'a.parquet'):
        with pytest.raises(MirzaiError, match='farm: a property is called id'): write_library(lib, tmp_path/f)
        assert not (tmp_path/f).exists()
