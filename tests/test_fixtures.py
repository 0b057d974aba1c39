"Real files of other people's instruments, where MIRZAI_FIXTURES names a folder of them: read as they should be, or refused in one line"
import os, re, warnings
import numpy as np, pytest
from pathlib import Path
from mirzai.doctor import examine
from mirzai.instruments import instrument_files, read_instrument, read_instruments
from mirzai.library import MirzaiError
from mirzai.loading import read_library

FOLDER = Path(os.environ.get('MIRZAI_FIXTURES', '/nowhere'))
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason='MIRZAI_FIXTURES names no folder of real files')

def quiet(f, *args, **kw):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always')
        return f(*args, **kw), [str(w.message) for w in told]

def one(end):
    "The file whose name ends so"
    found = [f for f in FOLDER.iterdir() if f.name.endswith(end)]
    if not found: pytest.skip(f'no {end} there')
    return found[0]

@pytest.mark.parametrize('end', ['617262_1TP_C-1_A5.0', '629266_1TP_A-1_C1.0', 'issue81_A1.1.0', 'issue94_RT_01_1_23-02-21_13-23-54.0', 'test_abs.0', '235157XS01.0',
                                 'icr056141.0', 'brukeropus__file.0', 'sample1.spa', 'example.spa'])
def test_read(end):
    lib,_ = quiet(read_instrument, one(end))
    w,y = lib.wavenumbers,lib.spectra[0]
    assert len(lib)==1 and np.isfinite(y).all() and w[0]<660 and w[-1]>3990 and examine(one(end))['readable']
    assert .01<np.median(y[(w>900)&(w<3800)])<3

@pytest.mark.parametrize('end', ['test_spectra.0', 'test_refl.0', 'peach_juice.0'])
def test_reflectance_only(end):
    f = one(end)
    with pytest.raises(MirzaiError, match='--unit reflectance') as e: read_instrument(f)
    assert '\n' not in str(e.value)
    lib,_ = quiet(read_instrument, f, 'reflectance')
    assert np.isfinite(lib.spectra).any()

def test_the_compensated_block():
    "Not the plain ratio of the file's own single channels, though it is the other that comes first"
    f = one('629266_1TP_A-1_C1.0'); lib,told = quiet(read_instrument, f)
    assert any('after atmospheric compensation' in t for t in told)
    blocks = [b for b in examine(f)['blocks'] if b['name']=='Absorbance']
    assert [b['read'] for b in blocks]==[False, True]

def test_near_infrared():
    seen = examine(one('issue82_Opus_test.0'))
    assert not seen['readable'] and any('600 to 3600' in m for m in seen['missing'])

def test_a_group():
    lib,_ = quiet(read_instrument, one('.spg'))
    assert len(lib)>1 and lib.properties.index.is_unique and (np.abs(np.diff(lib.spectra, axis=0)).max(1)>1e-3).all()

@pytest.mark.parametrize('end,word', [('.spc', 'GRAMS'), ('.sp', 'PerkinElmer')])
def test_other_kinds(end, word):
    with pytest.raises(MirzaiError, match=word) as e: read_instrument(one(end))
    assert 'export JCAMP-DX' in str(e.value) and word in examine(one(end))['kind']

def test_two_columns_and_a_table():
    same,_ = quiet(read_instrument, one('.dpt')); assert len(same)==1
    assert len(quiet(read_library, one('sample_mir_data.csv'))[0])==20

def test_everything_at_once():
    "A row or a name for every file; no name of Python's in what is said"
    files,others = instrument_files(FOLDER)
    lib,told = quiet(read_instruments, FOLDER)
    text = ' '.join(told)
    assert len(lib)>20 and not re.search(r'Error|Exception|Traceback|None', text)
    for f in [*files, *others]:
        seen = examine(f); line = ' '.join([*seen['refused'], seen['next'], seen['kind']])
        assert seen['kind'] and '\n' not in line and not re.search(r'Error|Exception|Traceback|None', line), line
