# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub: keeps the queue, the job states, the results and the connections. Never imports torch.

Where to begin reading: `server` is the one loop. A client's message comes in through `front` (`sessions` has what goes
out by itself), a worker's through `back` (`leases` has what workers are told, `attendance` who is there, `pool` what
they have loaded); both pass `gate` first, with `accounts`, `limits`, `zap` and `keys` behind it. All changes of jobs
happen at the `desk`: `states` decides, `scheduler` says whose turn it is, `store` (a `database` with the tables of
`schema`) writes it down, `audit` who did it. Bytes lie in `blobs` with their `sums`, come in through `inputs`, go out
as `streams`; `shelf` knows which are needed, `collect` lets go of the others, `newest` holds previews. `executors`
start workers. For whoever runs it: `manage`, `report`, `metrics`, `safekeeping`.
"""
