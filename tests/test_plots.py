"The style of figures: it holds until the figure is closed, and nobody else's figure takes it"
import io, subprocess, sys
from pathlib import Path
import numpy as np, matplotlib.pyplot as plt, pytest
from mirzai.all import Attribution, load_sample
from mirzai.paper.runs import PaperRuns, paper_axes, styled
from mirzai.plots import panels, spectrum_axes

ROOT = Path(__file__).resolve().parents[1]

@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')

def of_library(): return load_sample().show()
def of_attribution():
    w = np.linspace(600, 4000, 50)
    return Attribution(np.ones((3, 50)), np.ones((3, 50)), w, np.ones(3), 0., 'nothing').plot()[1]
def of_scores(): return PaperRuns(ROOT/'nbs/paper/results')['sample'].plot_scores()
def of_curve(): return PaperRuns(ROOT/'nbs/paper/results')['sample'].plot_learning_curve()

def sizes(ax):
    "Type of all that stands on axes, in points, drawn as a file would be"
    ax.figure.canvas.draw()
    ticks = [t.label1.get_fontsize() for t in ax.xaxis.majorTicks+ax.yaxis.majorTicks]
    return {round(s, 1) for s in [*ticks, ax.xaxis.label.get_fontsize(), ax.yaxis.label.get_fontsize()]}

@pytest.mark.parametrize('made', [of_library, of_attribution, of_scores, of_curve])
def test_what_is_added_later_keeps_the_style(made):
    ax = made()
    ax.plot([1000, 2000], [.1, .2], label='added')
    legend, title, word = ax.legend(), ax.set_title('later'), ax.text(1000, .1, 'later')
    ax.figure.suptitle('last')
    assert not legend.get_frame_on() and {t.get_fontsize() for t in legend.get_texts()}=={9}
    assert title.get_fontsize()==pytest.approx(10.8) and word.get_fontsize()==9 and sizes(ax)=={9}
    assert ax.figure.get_suptitle()=='last' and ax.figure._suptitle.get_fontsize()==pytest.approx(10.8)

@pytest.mark.parametrize('made', [lambda ax: ax.twinx(), lambda ax: ax.twiny(), lambda ax: ax.inset_axes([.6, .6, .3, .3]), lambda ax: ax.figure.add_axes([.6, .6, .3, .3]),
                                  lambda ax: ax.figure.add_subplot(), lambda ax: ax.twinx().twiny()])
def test_axes_made_of_styled_axes_are_styled(made):
    ax = panels()
    other = made(ax)
    other.plot([1, 2], [3, 4], label='other')
    legend, word = other.legend(), other.text(1, 3, 'other')
    assert type(other) is type(ax) and not legend.get_frame_on() and word.get_fontsize()==9 and sizes(other)=={9}
    other.clear()
    other.figure.canvas.draw()
    lines = (other.xaxis if other.xaxis.get_visible() else other.yaxis).get_gridlines()   # a twin shows one axis
    assert not other.spines.top.get_visible() and lines and all(line.get_alpha()==.25 for line in lines)
    assert ax.figure.add_subplot(projection='polar').name=='polar'

def test_a_figure_is_saved_in_its_style():
    ax = panels(figsize=(6, 3), layout=None)
    ax.figure.savefig(saved := io.BytesIO(), format='png')
    height, width, _ = plt.imread(io.BytesIO(saved.getvalue())).shape
    assert (width, height)!=(540, 270)                                           # without the white around it

def test_kept_methods_are_ours():
    "A store takes nothing of the style for code from elsewhere"
    code = 'import mirzai.all, mirzai.plots; from mirzai.store import replaced_methods; print(replaced_methods())'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip()=='[]'

def test_the_legend_that_a_library_draws_itself():
    legend = of_library().get_legend()
    assert not legend.get_frame_on() and legend.get_texts()[0].get_fontsize()==9

def test_the_paper_s_style_reaches_what_the_library_draws():
    assert sizes(paper_axes())=={8}
    assert sizes(styled(of_attribution)())=={8}

def test_figures_of_others_stay_theirs():
    panels()
    assert plt.rcParams['font.size']==10 and plt.rcParams['legend.frameon']
    ax = load_sample()[:5].show(plt.subplots()[1])
    assert ax.get_legend().get_frame_on() and sizes(spectrum_axes(ax))=={10}
