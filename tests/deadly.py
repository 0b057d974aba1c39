"Work for the workers of a sweep, in a module that takes them no time to import"
import os, signal
import pandas as pd

def deadly(lib, task):
    if task['i']==3: os.kill(os.getpid(), signal.SIGKILL)
    if task['i']==5: raise ZeroDivisionError('five')
    return dict(t=pd.DataFrame([task]))
