"Where soils come from goes with them; libraries and tables in memory become each other"
import numpy as np, pandas as pd, pytest
from mirzai.all import (MirzaiError, Origin, SpectralLibrary, concat, load_limesoda, load_sample, prepared, read_library, rescanned,
                        synthetic_library, to_grid, write_library)
from mirzai.origin import MADE_UP, SAMPLE, UNKNOWN, origin_in

MINE = Origin('my farm', 'CC0', 'me', 'Kenya', 'mehlich3')

@pytest.fixture
def farm():
    lib = load_sample()[:30].select('kex')
    return SpectralLibrary(lib.spectra, lib.wavenumbers, lib.properties.set_axis([f'f-{i}' for i in range(len(lib))]), 'farm', origin=MINE)

@pytest.mark.parametrize('step', [
    lambda lib: lib[3:9], lambda lib: lib[[2, 1]], lambda lib: lib.by_id(lib.ids[:2]), lambda lib: lib.select('kex'), lambda lib: lib.usable('kex'),
    lambda lib: lib.drop(np.arange(len(lib))<2, 'two'), lambda lib: lib+lib, lambda lib: to_grid(lib, np.arange(700, 3900, 4.)), lambda lib: lib.between(700),
    lambda lib: lib.stated('kex'), lambda lib: prepared(lib, 'plsr'), lambda lib: lib.with_values(pd.DataFrame(dict(ph=6.), index=lib.ids))])
def test_every_step_keeps_it(farm, step): assert step(farm).origin==MINE

def test_a_parquet_file_keeps_it_and_a_csv_says_what_ids_tell(farm, tmp_path):
    for name,lib,back in (('a.parquet', farm, MINE), ('a.csv', farm, UNKNOWN), ('b.csv', load_sample()[:9], SAMPLE), ('c.csv', synthetic_library(5), MADE_UP),
                          ('c.parquet', synthetic_library(5), MADE_UP), ('d.parquet', load_limesoda('O.32'), load_limesoda('O.32').origin)):
        write_library(lib, tmp_path/name)
        assert read_library(tmp_path/name).origin==back and read_library(tmp_path/name)[:2].origin==back

@pytest.mark.parametrize('note', [b'{', b'[]', b'"x"', b'{"name": {"a": 1}, "synthetic": "yes", "__class__": "os"}', b'\xff', b'null'])
def test_a_note_from_anywhere_is_only_a_note(note): assert origin_in({b'mirzai.origin': note}) in (None, UNKNOWN)

def test_one_made_up_part_makes_the_whole_made_up(farm):
    made = to_grid(synthetic_library(4, wavenumbers=np.arange(600, 4001, 2.)), farm.wavenumbers)
    both = concat([farm, made])
    assert both.origin.synthetic and both.origin.country=='' and both.origin.method=='' and 'CC0' in both.origin.licence
    assert rescanned(synthetic_library(5)).origin==MADE_UP

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
