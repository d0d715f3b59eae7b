"""Which finder? Learning-rate finders against the best of a grid of fixed rates, on small tasks.

The rules. They were committed before the final runs; what they are run on is in tasks.py.

Tasks: 20, each with three seeds, on one CPU thread. Fourteen (DEVELOPMENT) served to improve clrlib's reading; five of
them were unseen by its first reading, which lost 37 % there, gave no bounds in 5 of 15 cases, and then learned from
them. Six (UNSEEN) were run once the second reading was frozen, and for nothing before.

Budget: each task has a number of iterations and a batch size. A seed gives the initial weights and the order of
batches, the same for every training of that seed. Nothing decays but what a suggestion itself lets fall. A training
whose loss is no longer finite ends there and has no metric.

Truth: the metric (accuracy, or R² of a regression) on test examples after the last iteration, for fixed rates by
half-decades (`Task.grid`). The best fixed rate of a task is the one with the highest mean over the seeds.

Contenders are called with their libraries' defaults, on the task's own model, optimizer, loss and training batches:
100 iterations for the peers. Each sees the training examples alone; a tenth is held out for finders that look at
held-out examples. A suggestion is used as its documentation says: one rate stays fixed, and a training is made at just
that rate; of clrlib's bounds both triangular2 between them, in two whole cycles, and their middle as a fixed rate.
Where clrlib gives no bounds, neither is trained. Two of fastai's rates are also trained as the max_lr of triangular2,
with a quarter as base_lr, to tell what the finder does from what the schedule does. "Adam 0.001, SGD 0.1" is what
people use without any finder.

Scores, see scores.py:
- Regret, in % of what there is to gain on the task: 100 (best - metric) / (mean of best - chance), best being the best
  fixed rate's metric with the same seed, and chance what the most frequent class or the mean gives. Negative where a
  suggestion beats the best of the grid. A finder's mean regret is over tasks, each the mean of its three seeds.
- Nothing: no suggestion, an error, or a rate that is not finite. Its regret is 100 %, and so is a diverged training's.
- Nonsense: a suggestion with a regret of 50 % or more, one that diverges or is not above 0 among them.
- Seconds of one CPU thread that the finder itself took, imports not counted, and its optimizer steps.
"""
