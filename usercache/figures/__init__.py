"""What is counted, and its way through Redis to every face that shows it.

Note [Figures]
--------------
A look-up costs its caller one entry in a list (`usercache.stats`). A thread of each process folds
the list into slices, one per minute, and sends them once a second (`usercache.delivery`) to three
places in Redis at a time: the minute's hash, the hour's, and the totals for ever. So a window is
the sum of a few hashes, whoever asks, and every face shows the same numbers.

A batch is sent until Redis has confirmed it, and counts once: it carries a number, and the script
that adds it up (`scripts.ADD_FIGURES`) refuses a number that it has seen. Sending once only would
lose the second before every hang, which is the one that an operator asks about; sending again
without a number would count it twice. All keys have one hash tag, so that in a cluster, too, one
script can do it in one step; it is one write per process and second.

What waits while Redis is away waits by the minute. Minutes older than two hours become hours,
hours older than two days a remainder that only the totals get: memory is bounded, whatever happens.
"""
