"A pandas table whose columns are wavenumbers goes wherever a library goes, and through scikit-learn's tools without further arguments"
import warnings
import numpy as np, pandas as pd, pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from mirzai.ensemble import Ensemble
from mirzai.gpr import GPR
from mirzai.library import MirzaiError, SpectralLibrary
from mirzai.plsr import PLSR
from mirzai.regressor import spectra_of
from mirzai.transforms import to_grid

@pytest.fixture(scope='module')
def lib(sample):
    whole = sample.select('kex')[:120]
    return to_grid(whole, np.arange(604, 3997, 8.))

@pytest.fixture(scope='module')
def table(lib): return pd.DataFrame(lib.spectra, lib.ids, lib.wavenumbers)

@pytest.fixture(scope='module')
def y(lib): return pd.Series(lib.y(), lib.ids)

MODELS = [PLSR(5), GPR(windows=(11,)), Ensemble([PLSR(5), PLSR(7)])]

@pytest.mark.parametrize('model', MODELS, ids=['plsr', 'gpr', 'both'])
def test_a_table_is_as_good_as_a_library(lib, table, y, model):
    known = clone(model).fit(lib[:90], lib.y()[:90])
    told = clone(model).fit(table[:90], y[:90])
    np.testing.assert_array_equal(told.wavenumbers_, lib.wavenumbers)
    for new in (table[90:], lib[90:], lib.spectra[90:]):
        np.testing.assert_array_equal(told.predict(new), known.predict(lib[90:]))
    np.testing.assert_array_equal(told.remoteness(table[90:]), known.remoteness(lib[90:]))

@pytest.mark.parametrize('name', [float, str, 'X{:g}'.format, '{:g} cm-1'.format])
def test_columns_in_any_order_and_by_any_name(lib, table, y, name):
    m = PLSR(5).fit(table, y)
    mixed = table.sample(frac=1, axis=1, random_state=0).rename(columns=name)
    np.testing.assert_array_equal(m.predict(mixed), m.predict(lib))
    np.testing.assert_array_equal(PLSR(5).fit(mixed, y).predict(lib), m.predict(lib))

def test_scikit_learn_needs_no_further_argument(lib, table, y):
    arrays = PLSR(5, wavenumbers=lib.wavenumbers)
    np.testing.assert_array_equal(cross_val_score(PLSR(5), table, y), cross_val_score(arrays, lib.spectra, lib.y()))
    np.testing.assert_array_equal(cross_val_predict(PLSR(5), table, y), cross_val_predict(arrays, lib.spectra, lib.y()))
    search = lambda m, X: GridSearchCV(m, dict(n_components=[1, 2, 6]), cv=3).fit(X, lib.y())
    best,known = search(PLSR(), table.iloc[:, ::-1]), search(PLSR(wavenumbers=lib.wavenumbers), lib.spectra)
    assert best.best_params_==known.best_params_ and best.best_score_==known.best_score_ and len(best.predict(table[:3]))==3
    offset = make_pipeline(FunctionTransformer(lambda X: X+.1), PLSR(5))
    np.testing.assert_allclose(offset.fit(table, y).predict(table), PLSR(5).fit(table, y).predict(table), rtol=1e-4)

def test_another_grid_is_resampled_and_a_shorter_one_refused(lib, table, y):
    m = PLSR(5).fit(table, y)
    other = to_grid(lib, np.arange(606, 3995, 4.))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)       # an edge is filled
        told = m.predict(pd.DataFrame(other.spectra, columns=other.wavenumbers))
        np.testing.assert_array_equal(told, m.predict(other))
    np.testing.assert_allclose(np.log10(told), m.predict_scale(lib), atol=.1)
    with pytest.raises(MirzaiError, match='do not cover 604 to 1004 cm-1') as e: m.predict(table.iloc[:, 50:])
    assert '\n' not in str(e.value)

def no_number(t): return t.astype({t.columns[3]: object}).replace({t.columns[3]: {t.iloc[0, 3]: 'wet'}})

@pytest.mark.parametrize('spoil,says', [
    (lambda t: t.assign(depth=10, order='Mollisols'), 'column depth, order is no wavenumber'), (no_number, 'not all cells are numbers'),
    (lambda t: pd.DataFrame(t.to_numpy()), 'look like plain counting, not wavenumbers'), (lambda t: t.set_axis(range(1, t.shape[1]+1), axis=1), 'look like plain counting'),
    (lambda t: t.set_axis(1e7/t.columns, axis=1), 'look like nanometres, not wavenumbers'), (lambda t: t.assign(**{'2019.5': .1}), 'column 2019.5 is no wavenumber'), (lambda t: pd.concat([t, t.iloc[:, [5]]], axis=1), 'two columns for wavenumber 644'),
    (lambda t: t.rename(columns=lambda c: f'{1e7/c:.0f} nm'), '(is no wavenumber|look like nanometres)')])
def test_columns_that_are_no_wavenumbers_are_refused_in_one_line(table, y, spoil, says):
    m = PLSR(5).fit(table, y)
    for ask in (lambda t: PLSR(5).fit(t, y), m.predict):
        with pytest.raises(MirzaiError, match=says) as e: ask(spoil(table))
        assert '\n' not in str(e.value)

def test_what_a_table_lacks(table, y):
    with pytest.raises(ValueError, match='requires y'): PLSR(5).fit(table)
    with pytest.raises(ValueError, match='NaN'): PLSR(5).fit(table.mask(table==table.iloc[3, 3]), y)

def test_validation_samples_in_a_table(lib, table, y):
    told = PLSR().fit(table[:90], y[:90], valid=(table.iloc[90:, ::-1], y[90:]))
    known = PLSR().fit(lib[:90], lib.y()[:90], valid=(lib[90:], lib.y()[90:]))
    assert told.n_components_==known.n_components_ and isinstance(spectra_of(table), SpectralLibrary)

def test_a_choice_of_wavenumbers_is_a_table_of_spectra(table, y):
    "A few columns picked anywhere lie on no grid, and none of them is a stranger"
    chosen = np.sort(np.random.default_rng(0).choice(table.shape[1], 40, replace=False))
    few = table.iloc[:, chosen]
    assert np.isfinite(PLSR(3).fit(few, y).predict(few)).all()
