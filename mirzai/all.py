"What people use, for notebooks: `from mirzai.all import *`; every other public name can be imported from here by name"
from mirzai.core import MirzaiError, some, Progress, put_together, with_warnings, moved as _moved
from mirzai.plots import *
from mirzai.origin import Origin
from mirzai.library import *
from mirzai.grids import *
from mirzai.units import *
from mirzai.page import *
from mirzai.tables import spectral_columns, wavenumber_of
from mirzai.workbooks import workbook_table
from mirzai.files import MANIFEST, atomic, check_output, output_folder, reading, would_be_lost
from mirzai.columns import SHORT_NAMES, UNITS, LibraryFile, check_absorbance, library_from_table, to_absorbance
from mirzai.parquet import LIBRARY_FORMAT, check_library_format
from mirzai.loading import *
from mirzai.datasets import *
import mirzai.frames # with it libraries learn from_frame
from mirzai.downloads import cache_folder, check_hash, check_url, download, record_hash
from mirzai.ossl import *
from mirzai.scans import *
from mirzai.opus import opus_bytes
from mirzai.jcamp import JcampBlock, MAX_POINTS, MOST_TEXT, write_jcamp
from mirzai.instruments import *
from mirzai.instruments import MAX_BYTES, MAX_ENTRIES
from mirzai.folders import *
from mirzai.spectra_files import *
from mirzai.measuring import *
from mirzai.mineralogy import *
from mirzai.synthetic import *
from mirzai.transforms import *
from mirzai.regressor import *
from mirzai.metrics import *
from mirzai.parts import *
from mirzai.splits import *
from mirzai.marks import as_plain, code_fingerprint, imports_of, library_fingerprint, reached_by, replaced_methods
from mirzai.plsr import *
from mirzai.kernels import *
from mirzai.gpr import *
from mirzai.layers import *
from mirzai.network import *
from mirzai.backbone import Backbone, load_backbone
from mirzai.datablock import *
from mirzai.learner import *
from mirzai.ensemble import *
from mirzai.transfer import TransferGPR
from mirzai.foreign import Foreign
from mirzai.updating import Updated, left_out_in_turn
from mirzai.store import *
from mirzai.sweep import *
from mirzai.models import *
from mirzai.results import *
from mirzai.experiment import *
from mirzai.pictures import *
from mirzai.attribution import *
from mirzai.bands import *
from mirzai.claims import *
from mirzai.control import *
from mirzai.verdicts import *
from mirzai.response import *
from mirzai.folds import fold_numbers, out_of_fold
from mirzai.promises import coverage, held, reliability
from mirzai.uncertainty import Calibration, calibrate, as_reported
from mirzai.applicability import Domain, fit_domain
from mirzai.certificate import *
from mirzai.checks import *
from mirzai.saving import *
from mirzai.card import model_card
from mirzai.predictor import *
from mirzai.local import local_score
from mirzai.field import decide, join_fields, write_table
from mirzai.report import *
from mirzai.opening import *
from mirzai.replacing import *
from mirzai.supplying import *
from mirzai.field_page import field_report
from mirzai.training import *
from mirzai.running import *
from mirzai.predicting import *
from mirzai.validating import *
from mirzai.explaining import *
from mirzai.evaluating import *

__all__ = [
    # spectra and values
    'MirzaiError', 'SpectralLibrary', 'Origin', 'concat', 'load_sample', 'load_limesoda', 'open_library',
    'read_library', 'write_library', 'read_values', 'read_instruments', 'fetch_ossl', 'synthetic_library',
    'to_grid', 'KSSL_GRID', 'SNV', 'SavitzkyGolay', 'mg_k', 'threshold',
    # models and what they are worth
    'SpectralRegressor', 'PLSR', 'GPR', 'CNNRegressor', 'Ensemble', 'Updated', 'TransferGPR', 'KexCNN', 'make_model',
    'default_models', 'load_backbone', 'r2', 'lccc', 'rmse', 'mape', 'bias', 'random_split', 'kfold_splits',
    'evaluate', 'Results', 'read_results', 'paired_bootstrap', 'Sweep', 'Store',
    # where they look, and how sure they are
    'attribute', 'Attribution', 'name_bands', 'verdicts', 'dose_response', 'certify', 'fit_domain',
    # from a model to a field
    'run', 'train', 'predict_files', 'Costs', 'validate', 'explain', 'Predictor', 'save_model', 'model_card', 'decide',
    'field_report',
    # pictures
    'panels', 'spectrum_axes',
]

# names of 0.11 that changed
__getattr__ = _moved(__name__, dict(
    said='mirzai.uncertainty:as_reported', SEEN='mirzai.regressor:STARTS', displace='mirzai.datablock:displaced_batch', moved='mirzai.claims:movement',
    seen_by='mirzai.claims:explained_spectra', SHARE='mirzai.claims:IMPORTANT_SHARE', LEAST='mirzai.experiment:MIN_TRAIN',
    FLAT='mirzai.response:FLAT_SLOPE', NARROW='mirzai.bands:LEAST_WIDTH'))
