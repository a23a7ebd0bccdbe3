"""Many independent jobs, on whatever there is: one way to run them all.

    for result in execute(function, jobs, workers=2, store=ChunkStore("toys", spec)):
        ...                                 # in the order of the jobs, one at a time

`workers` is 1 (this process), a number of local processes, any `concurrent.futures.Executor`,
or Dask: a scheduler's address, a `Client`, or a cluster made by dask-jobqueue. The results
depend on the jobs alone: not on the workers, a kill, or a resume.
"""

from neyman.execute.attempt import Failed as Failed
from neyman.execute.loop import execute as execute
from neyman.execute.processes import Processes as Processes
from neyman.execute.progress import progress_bar as progress_bar

__all__ = ["Failed", "Processes", "execute", "progress_bar"]
