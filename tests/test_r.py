"The R code of the page for R users, run as it stands where R is installed"
import json, os, re, shutil, subprocess, sys
from pathlib import Path
import pytest

page = Path(__file__).parent.parent/'nbs'/'tutorials'/'from_r.ipynb'

@pytest.mark.skipif(not shutil.which('Rscript'), reason='R is not installed')
def test_every_r_block_of_the_page_runs(tmp_path):
    text = '\n'.join(''.join(c['source']) for c in json.loads(page.read_text())['cells'] if c['cell_type']=='markdown')
    blocks = re.findall(r'^```r\n(.*?)^```', text, flags=re.S|re.M)
    assert len(blocks)>=7
    checks = ['stopifnot(nrow(p)==100, setequal(p$id, new$id), is.numeric(p$predicted), any(p$decision=="fertilise"))',
              'stopifnot(inherits(try(mirzai("predict", "nowhere", "new.csv"), silent=TRUE), "try-error"))']
    (tmp_path/'page.R').write_text('\n'.join([*blocks, *checks]))
    env = os.environ|{'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    r = subprocess.run(['Rscript', '--vanilla', 'page.R'], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert r.returncode==0, (r.stdout+r.stderr)[-3000:]
