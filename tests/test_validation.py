"The local check: what knows nothing is not let through, what is good is; limits, grades, thresholds, words"
import json, warnings
import numpy as np, pandas as pd, pytest
from scipy import stats
from mirzai.library import MirzaiError
from mirzai.uncertainty import held
from mirzai.local import (LEAST_LOCAL, bias_factor, chance_to_hold, count_chances, coverage_limits, fewest, grade,
                          holds, judge_bias, judge_coverage, judge_threshold, kept_soils, least_local, local_score,
                          more_needed, promise_text, skill, skill_limits, tests_table as table_of_tests, validation_text)

SPREAD, R2 = .35, .6
ERROR = SPREAD*np.sqrt(1-R2)

def table(o, p, half): # log10 around 0.35 cmol(+)/kg, half width of the intervals
    o, p = np.asarray(o)-.45, np.asarray(p)-.45
    return pd.DataFrame(dict(id=[f'{i:03d}' for i in range(len(o))], observed=10**o, predicted=10**p, lower=10**(p-half),
                             upper=10**(p+half), flag=''))

def good(rng, o, s=SPREAD): return R2*o+rng.normal(0, s*np.sqrt(R2*(1-R2)), len(o))

def soils(n=100, seed=0, times=1.):
    rng = np.random.default_rng(seed)
    o = rng.normal(0, SPREAD, n)
    return table(o, good(rng, o)+np.log10(times), 1.645*ERROR)

def one_line(f, *args, **kw):
    with pytest.raises(MirzaiError) as e: f(*args, **kw)
    assert '\n' not in str(e.value) and len(str(e.value))<400 and ':' in str(e.value)
    return str(e.value)

# how often each kind of model is let through

SHAPES = {'normal': lambda rng, n: rng.normal(0, SPREAD, n), 'narrow': lambda rng, n: rng.normal(0, .2, n),
          'heavy tails': lambda rng, n: .2*rng.standard_t(3, n), 'skewed': lambda rng, n: SPREAD*(rng.exponential(1, n)-1)}
NOTHING = {'constant at the library mean': lambda rng, o: np.zeros(len(o)),
           'constant at the local mean': lambda rng, o: np.full(len(o), o.mean()),
           'constant, 20% too rich': lambda rng, o: np.full(len(o), .079),
           'noise': lambda rng, o: rng.normal(0, .05, len(o)),
           'hardly any noise': lambda rng, o: rng.normal(0, .001, len(o)),
           'wide noise': lambda rng, o: rng.normal(0, .3, len(o)),
           'permuted': lambda rng, o: rng.permutation(good(rng, o)),
           'permuted and shrunk': lambda rng, o: .2*rng.permutation(o)}

@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('kind', NOTHING)
def test_what_knows_nothing_does_not_pass(kind, shape):
    rng, passed = np.random.default_rng([len(kind), len(shape)]), []
    for n in (20, 30, 60, 100):
        for width in (1., 3.): # right and far too wide
            for _ in range(10):
                o = SHAPES[shape](rng, n)
                p = NOTHING[kind](rng, o)
                passed.append(local_score(table(o, p, width*np.quantile(abs(p-o), .9)))['verdict'])
    assert np.mean(passed)<=.05

def share_held(n, make, repeats=80, seed=0):
    rng, held = np.random.default_rng([seed, n]), 0
    for _ in range(repeats):
        o = rng.normal(0, SPREAD, n)
        held += local_score(table(o, *make(rng, o)))['verdict']
    return held/repeats

@pytest.mark.parametrize('n', [30, 60, 100])
def test_rates(n):
    covers = lambda c: stats.norm.ppf((1+c)/2)*ERROR
    assert share_held(n, lambda rng, o: (good(rng, o), covers(.7)))<=.10
    assert share_held(n, lambda rng, o: (good(rng, o)+np.log10(1.2), covers(.9)))<=.25
    assert share_held(n, lambda rng, o: (good(rng, o)+np.log10(1.5), covers(.9)))<=.02
    well = share_held(n, lambda rng, o: (good(rng, o), covers(.9)))
    assert abs(well-chance_to_hold(n, ERROR, SPREAD)[0])<.12     # arithmetic and simulation
    if n>=60: assert well>=.75

def test_good_models_are_not_called_bad():
    "Failed is a contradiction, and few samples do not contradict"
    grades = [local_score(soils(n, s))['grade'] for n in (20, 60) for s in range(60)]
    assert grades.count('failed')<=6 and 'weak' in grades and 'held' in grades

def test_bad_models_are_called_bad():
    for change in (dict(times=2.), dict(times=.5)):
        assert all(local_score(soils(60, s, **change))['grade']=='failed' for s in range(20))
    narrow = [soils(60, s).assign(lower=lambda t: t.predicted*.9, upper=lambda t: t.predicted*1.1) for s in range(20)]
    assert {local_score(t)['grade'] for t in narrow}=={'failed'}

def test_least_is_enough_and_not_far_too_many():
    for e,s in ((.15, .3), (.2, .35), (.25, .45)):
        n = least_local(e, s)
        assert chance_to_hold(n, e, s)[0]>=.75>chance_to_hold(int(.9*n)-1, e, s)[0]
    assert least_local(.15, .35)<least_local(.2, .35)<least_local(.2, .35, bias=1.1)<least_local(.2, .35, bias=1.2)
    assert least_local(.2, .35, coverage=.8)>least_local(.2, .35)
    assert least_local(.3, .3) is None and least_local(.2, .35, bias=1.3) is None and least_local(.2, .35, coverage=.7) is None
    assert least_local(0, .3) is None and least_local(np.nan, .3) is None and least_local(.2, 0) is None
    assert isinstance(LEAST_LOCAL, int) and LEAST_LOCAL>=60

# the limits

def test_limits_are_the_textbooks():
    rng = np.random.default_rng(0); e = rng.normal(.1, .2, 30)
    assert np.allclose(np.log10(bias_factor(e)[1:]), stats.ttest_1samp(e, 0).confidence_interval(.95))
    for k,n in ((43, 54), (0, 9), (9, 9)):
        assert np.allclose(coverage_limits(k, n), stats.binomtest(k, n).proportion_ci(.90))
    o, p = 10**rng.normal(0, .3, (2, 40)); d = np.log10(o)
    gain = (d-d.mean())**2-np.log10(o/p)**2
    assert np.allclose(np.array(skill_limits(o, p))*d.var(), stats.ttest_1samp(gain, 0).confidence_interval(.90))
    assert skill(o, p)==pytest.approx(1-np.sum(np.log10(o/p)**2)/np.sum((d-d.mean())**2))

def test_sides_are_named():
    assert 'too rich, the side on which poor soils are missed' in judge_bias(np.full(30, np.log10(1.5))+np.arange(30)*1e-4)['reason']
    assert 'too poor' in judge_bias(np.full(30, -np.log10(1.5))+np.arange(30)*1e-4)['reason']
    rich = [r for r in local_score(soils(60, times=1.6))['reasons'] if 'times the measured' in r]
    assert len(rich)==1 and 'rich' in rich[0] and 'poor soils are missed' in rich[0]
    assert 'too poor' in ' '.join(local_score(soils(60, times=1/1.6))['reasons'])

@pytest.mark.parametrize('k,n,expect', [(9, 9, 'held'), (8, 8, 'weak'), (43, 54, 'weak'), (33, 60, 'failed'), (0, 0, 'failed'),
                                        (780, 1000, 'failed'), (900, 1000, 'held'), (850, 1000, 'held')])
def test_grades_of_coverage(k, n, expect): assert grade([judge_coverage(k, n)])==expect

# the table

def test_what_is_returned():
    t = soils(60)
    t.loc[:2, 'flag'] = 'noise'; t.loc[3, 'observed'] = np.nan; t.loc[4, 'predicted'] = np.nan; t.loc[5, ['lower', 'upper']] = np.nan
    d = local_score(t, .5)
    assert (d['n'], d['flagged'], d['unmeasured'], d['n_intervals'])==(55, 4, 1, 54) and d['n_below']==(t.observed[5:]<.5).sum()
    assert json.loads(json.dumps(d, allow_nan=False))==d
    assert d['coverage_low']<d['coverage']<d['coverage_high'] and d['bias_low']<d['bias_factor']<d['bias_high']
    assert [set(x)>={'name', 'value', 'limits', 'wanted', 'passed'} for x in d['tests']]==[True]*4
    assert d['verdict'] is (d['grade']=='held') and len(d['reasons'])==sum(not x['passed'] for x in d['tests'])
    assert list(table_of_tests(d))==['test', 'found', 'limits', 'wanted', 'result'] and len(table_of_tests(d))==4
    assert isinstance(d['least_n'], int)

def test_no_intervals_and_many_flags():
    bare = local_score(soils().assign(lower=np.nan, upper=np.nan))
    assert bare['coverage'] is None and bare['grade']=='failed' and 'no sample has an interval' in bare['reasons']
    many = pd.concat([soils(60), soils(61, 1).assign(flag='noise')])
    assert local_score(many)['reasons'][-1]=='61 of 121 samples were flagged' and local_score(many)['grade']=='failed'
    assert local_score(soils().assign(upper=np.inf))['n_covered']>80

def test_nothing_varies():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for t in (soils().assign(observed=.5), soils().assign(observed=0., predicted=.01), soils().assign(predicted=.5)):
            d = local_score(t)
            assert not d['verdict'] and json.dumps(d, allow_nan=False) and validation_text(d) and more_needed(d)
            assert d['least_n'] is None or d['least_n']>5

def test_local_samples_refused():
    t = soils()
    assert fewest()==9 and '9' in one_line(local_score, t.head(8)) and local_score(t.head(9))['grade'] in ('weak', 'failed', 'held')
    assert '8 with a measured value' in one_line(local_score, t.head(30).assign(flag=['']*8+['noise']*22))
    one_line(local_score, t.drop(columns='observed'))
    for v in (-1, np.inf, '<0.06'): one_line(local_score, t.assign(observed=t.observed.astype(object).where(t.index>0, v)))

def test_no_table_below_the_fewest_could_pass():
    o = np.linspace(-.5, .5, 60)
    perfect = lambda n: local_score(table(o[:n], o[:n]+1e-6*np.cos(np.arange(n)), .3))['grade']
    assert perfect(9)=='held'
    assert grade([judge_coverage(8, 8)])=='weak'

def test_values_below_the_detection_limit():
    lower, upper = np.array([.01, .07, .07, .01]), np.array([.02, .2, .2, .2])
    assert list(held(np.array([0, 0, .1, .05]), lower, upper, np.full(4, .06)))==[True, False, True, True]
    t = soils(60).assign(limit=[.06]*40+[np.nan]*20)
    low = t.index<10
    d = local_score(t.assign(observed=np.where(low, 0, t.observed), predicted=np.where(low, .05, t.predicted),
                             lower=np.where(low, .02, t.lower), upper=np.where(low, .1, t.upper)))
    assert d['censored']==10+(t.observed[10:]<.06).sum() and d['n_covered']>=50 and np.isfinite(d['bias_factor'])
    near = local_score(t.assign(observed=np.where(low, .03, t.observed), predicted=np.where(low, .05, t.predicted)))
    nearer = local_score(t.assign(observed=np.where(low, .0, t.observed), predicted=np.where(low, .01, t.predicted)))
    assert near['bias_factor']==nearer['bias_factor']          # both known only to lie below
    assert local_score(soils(60).assign(limit=.3))['censored']==(soils(60).observed<.3).sum()

# thresholds

def test_sum_of_unlike_coins():
    assert np.allclose(count_chances([.3]*7), stats.binom.pmf(range(8), 7, .3)) and np.allclose(count_chances([]), [1])
    p = np.random.default_rng(0).random(50)
    d = count_chances(p)
    assert d.sum()==pytest.approx(1) and d@np.arange(51)==pytest.approx(p.sum())

def test_thresholds_that_hold_and_do_not():
    rng = np.random.default_rng(0)
    def judged(shift, n=60):
        p = stats.norm.cdf(rng.normal(0, 1.2, n))
        o = np.where(rng.random(n)<p, .4, .6)
        return judge_threshold([dict(observed=x) for x in o], stats.norm.cdf(stats.norm.ppf(p)+shift), .5)
    assert np.mean([judged(0)['held'] for _ in range(300)])>=.95
    rich, poor = ([judged(s) for _ in range(100)] for s in (-1., 1.))
    assert np.mean([d['held'] for d in rich])<=.02 and np.mean([d['held'] for d in poor])<=.02
    assert all('dangerous' in d['reason'] for d in rich if not d['held']) and not any('dangerous' in d['reason'] for d in poor)
    assert json.dumps(rich[0], allow_nan=False) and type(rich[0]['held']) is bool

def test_thresholds_nobody_can_judge():
    kept = [dict(observed=.2)]*50+[dict(observed=2.)]*4
    d = judge_threshold(kept, [.9]*50+[.1]*4, 1.)
    assert not d['held'] and not d['enough'] and 'at least 5 on each side' in d['reason']
    one_line(judge_threshold, kept, [.5], 1.)
    d = judge_threshold(kept, [np.nan]*54, 1.)
    assert not d['held'] and d['below']==d['above']==0
    assert not judge_threshold([], [], 1.)['held']

def test_soils_are_kept_plain():
    t = soils(30).assign(difficulty=np.where(np.arange(30)==3, np.nan, .3))
    t.loc[0, 'flag'] = 'noise'; t.loc[1, 'observed'] = np.nan; t.loc[2, 'observed'] = 0
    kept = kept_soils(t)
    assert json.loads(json.dumps(kept, allow_nan=False))==kept and len(kept)==28 and kept[0]['observed']==0 and kept[1]['difficulty'] is None
    assert set(kept[0])=={'id', 'observed', 'limit', 'predicted', 'difficulty'} and kept_soils(soils(30))[0]['difficulty'] is None

# words

def test_only_held_opens_decisions():
    d = local_score(soils())
    assert holds(d) and not holds(None) and not holds({}) and not holds(dict(verdict=True)) and not holds(d | dict(grade='weak'))
    assert 'older mirzai' in validation_text(dict(verdict=True, n=40, reasons=[])) and 'again' in validation_text(dict(verdict=True, n=40))

def test_words():
    held, weak, failed = (local_score(t) for t in (soils(), soils(25), soils(times=2.)))
    assert [d['grade'] for d in (held, weak, failed)]==['held', 'weak', 'failed']
    texts = [validation_text(d | dict(name='here', date='2025-03-01')) for d in (held, weak, failed)]
    assert all(d['grade'] in s and 'here, 2025-03-01, method unknown' in s for d,s in zip((held, weak, failed), texts))
    assert ['wet laboratory' in s for s in texts]==[False, True, True]
    assert 'by Mehlich-3' in validation_text(held | dict(kex_method='Mehlich-3')) and 'unknown' in validation_text(held | dict(kex_method=None))
    assert f'about {LEAST_LOCAL} soils' in validation_text(None) and 'about 44 soils' in validation_text(None, 44)
    assert 'more are likely to be enough' in more_needed(weak) and 'would not help' in more_needed(failed) and 'were enough' in more_needed(held)
    assert 'would not make it hold' in more_needed(weak | dict(enough_n=None)) and 'spread of the soils' in more_needed(weak | dict(least_n=None))
    for d in (held, weak, failed): assert 'nine times in ten' not in validation_text(d)+promise_text(d)
    assert 'nine times in ten' in promise_text(None) and 'nobody has counted' in promise_text(None)

def test_light():
    import subprocess, sys
    code = 'import sys, mirzai.local; assert not {"torch", "fastai", "openpyxl"}&set(sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode==0
