"""Train one model on the shards of a task: the program of its server and of its workers.

Not a part of the package when it runs: ``python -m _task_program server|worker-<n> <worker>…`` in
``/app``, with the standard library only. ``/app`` is the member's own folder (scripts, configs,
model, and a worker's shard in ``payload``), ``/shared`` that of the task: ``exchange`` carries the
weights from round to round, ``out`` holds what is stored in the bucket, ``status.json`` tells the
round.

Each round the server puts the weights into ``exchange/<round>/global``; each worker calls the
user's ``fl_train`` and answers with ``exchange/<round>/<worker>``; the server averages, weighted by
``samples`` (garage-workspace.md §8). A server that is started again goes on with the last round.
"""
