"Libraries that are not tables: the synthetic one with its truth, and the paper's folder of NumPy files"
import os, pickle
import numpy as np, pandas as pd, pytest
from mirzai.loading import read_library

def test_data_synthetic(mirzai, tmp_path):
    for name in ('a', 'b'): assert mirzai('data', 'synthetic', '--n', 120, '--seed', 3, '--out', tmp_path/f'{name}.parquet')[0]==0
    lib = read_library(tmp_path/'a.parquet')
    assert lib.spectra.shape==(120, 1764) and {'kex', 'order', 'depth', 'profile', 'source'}<=set(lib.properties)
    truth,drivers = pd.read_parquet(tmp_path/'a.truth.parquet'), pd.read_csv(tmp_path/'a.drivers.csv')
    assert list(truth.id)==list(lib.ids) and np.allclose(truth.drop(columns=['id', 'log10_kex']).sum(1), 1)
    assert list(drivers.columns)[:2]==['wavenumber', 'strength'] and len(drivers)==1764 and (drivers.strength>=0).all()
    assert (tmp_path/'a.parquet').read_bytes()==(tmp_path/'b.parquet').read_bytes()
    assert 'SYNTHETIC' in mirzai('data', 'synthetic', '--n', 10, '--out', tmp_path/'c.csv')[1]

def test_synthetic_noise_is_what_separates_truth_and_measurement():
    from mirzai.synthetic import ceiling, kex_law, synthetic_library
    lib = synthetic_library(4000, seed=1)
    assert np.allclose(kex_law(lib.truth.fractions.to_numpy()), lib.truth.log_kex)
    assert .75<ceiling(lib)<.9
    y = lib.y(); ok = y>.5
    assert np.std(np.log10(y[ok])-lib.truth.log_kex[ok])==pytest.approx(.15, abs=.03)

def kssl(folder, sample, lookup):
    folder.mkdir()
    np.save(folder/'spectra-features.npy', sample.spectra[:60].astype(np.float64)); np.save(folder/'spectra-wavenumbers.npy', sample.wavenumbers)
    np.save(folder/'depth-order.npy', np.stack([np.arange(60), np.arange(60)%2], 1)); np.save(folder/'target.npy', sample.y()[:60, None])
    (folder/'tax-order-lu.pkl').write_bytes(lookup)
    return folder

def test_kssl_folder(mirzai, sample, tmp_path):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps({'alfisols': 0, 'mollisols': 1}))
    lib = read_library(f)
    assert np.array_equal(lib.spectra, sample.spectra[:60]) and list(lib.properties.order[:2])==['alfisols', 'mollisols']
    assert np.allclose(lib.y(), sample.y()[:60])
    assert mirzai('train', f, '--model', 'plsr', '--out', tmp_path/'m')[0]==0

class Bomb:
    def __init__(self, path): self.path = path
    def __reduce__(self): return os.mkdir, (str(self.path),)

@pytest.mark.parametrize('where', ['orders', 'array'])
def test_planted_pickle_is_not_run(mirzai, sample, tmp_path, where):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps(Bomb(tmp_path/'exploded') if where=='orders' else {'alfisols': 0}))
    if where=='array': np.save(f/'target.npy', np.array([Bomb(tmp_path/'exploded')], dtype=object), allow_pickle=True)
    code,_,err = mirzai('train', f, '--out', tmp_path/'m')
    assert code==2 and len(err.splitlines())==1 and str(f) in err
    assert not (tmp_path/'exploded').exists() and not (tmp_path/'m').exists()

@pytest.mark.parametrize('missing', ['spectra-wavenumbers.npy', 'depth-order.npy', 'target.npy', 'tax-order-lu.pkl'])
def test_kssl_folder_incomplete(mirzai, sample, tmp_path, missing):
    f = kssl(tmp_path/'kssl', sample, pickle.dumps({'alfisols': 0})); (f/missing).unlink()
    code,_,err = mirzai('train', f, '--out', tmp_path/'m')
    assert code==2 and missing in err and len(err.splitlines())==1
