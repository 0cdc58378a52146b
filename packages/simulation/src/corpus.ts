/**
 * Runs that failed once, run first by `npm test`. A plan changes when the simulator learns a new fault or workload, so a seed alone
 * does not stay what it was: each entry settles the choices that matter, and names what was wrong, which has a test of its own where it was.
 */
import { FAULT_NAMES } from "./fault-catalogue.ts";
import type { Choices } from "./plan.ts";

export interface OnceFailed {
  readonly seed: number;
  readonly choices: Choices;
  readonly wrong: string;
}

/** All that were there, before machines could be far apart. */
const OF_ALL: Choices = {
  distance: "near",
  faults: FAULT_NAMES.filter(
    (name) => !["stop", "cornered", "dispute", "crossed", "page-crossed"].includes(name),
  ),
};

/** Of a time when replicas were drawn already: where nothing is said there are none. */
const WITH_REPLICAS_DRAWN = { replicas: undefined } satisfies Choices;

export const CORPUS: readonly OnceFailed[] = [
  {
    seed: 37,
    choices: {
      workloads: ["transfer"],
      mode: "multi",
      distance: "near",
      faults: ["isolate", "kill", "kill-writers", "minority"],
    },
    wrong: "a settled stream's transaction was called aborted, since nothing of it was left",
  },
  {
    seed: 72,
    choices: { workloads: ["register"], mode: "multi", distance: "near", faults: ["disk-full", "crash-all"] },
    wrong: "a block whose sync had failed was built on after a restart, and lost by a power loss",
  },
  {
    seed: 28,
    choices: {
      workloads: ["long-values", "tables"],
      mode: "multi",
      distance: "near",
      faults: ["disk-corrupt", "page-corrupt"],
    },
    wrong: "a segment voted on a damaged page before it was mended, and rejected in the name of nobody",
  },
  {
    seed: 70,
    choices: { workloads: ["outcomes"], mode: "multi", distance: "near", faults: ["slow", "pause"] },
    wrong: "a commit that waited was called aborted, and went on when its wait ended",
  },
  {
    seed: 107,
    choices: {
      workloads: ["append", "churn"],
      mode: "single",
      distance: "near",
      faults: ["crash-pair", "isolate"],
    },
    wrong: "many senders' records of one turn were one append, which no log file could hold",
  },
  {
    seed: 11,
    choices: {
      mode: "multi",
      distance: "near",
      workloads: ["append", "outcomes"],
      faults: ["zombie", "kill-writers", "split", "minority", "crash-all", "one-way", "crash-pair"],
    },
    wrong: "late news of a settled stream made an empty log of it, and its transactions were called aborted",
  },
  {
    seed: 20,
    choices: {
      mode: "multi",
      distance: "near",
      workloads: ["append", "hot", "bank"],
      faults: [
        "delay",
        "loss",
        "reorder",
        "one-way",
        "isolate",
        "minority",
        "split",
        "swizzle",
        "break-links",
        "zombie",
      ],
    },
    wrong:
      "a writer that slept through its recovery called aborted what the recovery had committed: entries built on it came first",
  },
  {
    seed: 40526,
    choices: OF_ALL,
    wrong:
      "a table was dropped by a request that had been called aborted, since nobody had noted that it came",
  },
  {
    seed: 40140,
    choices: OF_ALL,
    wrong: "a writer that woke after its stream was settled and forgotten could append to it again",
  },
  {
    seed: 20050,
    choices: OF_ALL,
    wrong: "what was built on an entry whose read check was overtaken was rejected with it, and told aborted",
  },
  {
    seed: 50809,
    choices: OF_ALL,
    wrong: "a slice that had been on hold was accepted beside a later one of its stream on the same base",
  },
  {
    seed: 138,
    choices: {},
    wrong:
      "a closed stream had a gap for ever in a PG that lacked a slice of an entry, and what lay beyond it was given to no peer",
  },
  {
    seed: 431,
    choices: {},
    wrong: "the same after a clean stop",
  },
  {
    seed: 2113504770,
    choices: {},
    wrong: "a cluster read missed a commit that lay beyond an abort at which the durable point waited",
  },
  {
    seed: 3055,
    choices: {},
    wrong: "a table that was there already was said to be created, when the answer was lost",
  },
  {
    seed: 2489,
    choices: {},
    wrong:
      "a damaged page was mended into an older one, and then rejected what was built on what it had held",
  },
  {
    seed: 2086,
    choices: {},
    wrong:
      "who only read yielded and came again as fast as the network answers; thousands of aborts made a checkpoint larger than a log file",
  },
  {
    seed: 84,
    choices: {},
    wrong:
      "claims of extents that lost were built again and joined by ever more, until nothing else was done",
  },
  {
    seed: 5890,
    choices: {},
    wrong: "a damaged page was mended into one that lacked what was merged here and still in the log",
  },
  {
    seed: 7369,
    choices: {},
    wrong:
      "a node ran while a manifest moved its vector: a closed stream was shown before one that it had seen settle",
  },
  {
    seed: 9317,
    choices: { ...WITH_REPLICAS_DRAWN, workloads: ["tables"], writers: 3 },
    wrong:
      "segments that had copied pages over a closed stream's end could say of no transaction that it never came",
  },
  {
    seed: 89,
    choices: {
      ...WITH_REPLICAS_DRAWN,
      workloads: ["register", "append"],
      mode: "multi",
      consistency: "cluster",
    },
    wrong:
      "a node whose stream was lost in the turn in which a switch of modes began to close it submitted to it, and waited for its close for ever",
  },
  {
    seed: 4013,
    choices: {
      ...WITH_REPLICAS_DRAWN,
      faults: ["failover", "mode-switch", "join", "leave", "pause", "kill", "zombie"],
    },
    wrong: "a strike-off whose first round had seemed lost struck off the next node of that name, too",
  },
  {
    seed: 622,
    choices: {
      ...WITH_REPLICAS_DRAWN,
      faults: ["failover", "mode-switch", "join", "leave", "kill", "pause", "replace"],
    },
    wrong:
      "a newcomer rejected what builds on an entry of a settled stream that was still to come: that stream had settled, so all of it seemed to be here",
  },
  {
    seed: 20075,
    choices: WITH_REPLICAS_DRAWN,
    wrong:
      "an outcome was called committed with the entry on three segments: one told what a close had told it, of which the asker's manifest knew nothing yet",
  },
  {
    seed: 20073,
    choices: { ...WITH_REPLICAS_DRAWN, workloads: ["outcomes", "transfer", "cycle"] },
    wrong:
      "a node that had been cut off paused its manifest operations for ten seconds and more: rounds that had waited for lost seats were taken for a slow rival's",
  },
  {
    seed: 30123,
    choices: WITH_REPLICAS_DRAWN,
    wrong:
      "an abort that a recovery had overruled stayed on the disks of those who were cut off with the writer: they had heard of the close by gossip, and the manifest's word was then not recorded",
  },
  {
    seed: 86025,
    choices: WITH_REPLICAS_DRAWN,
    wrong:
      "what was carried forward from old log files came in records larger than a small log file, and ended the server",
  },
  {
    seed: 89002,
    choices: {
      ...WITH_REPLICAS_DRAWN,
      mode: "multi",
      faults: ["replace", "kill", "crash", "minority", "disk-slow", "page-corrupt", "zombie"],
    },
    wrong:
      "a segment told peers of a close though it did not know itself all that this overruled: one kept an abort that was none, and told it to others",
  },
  {
    seed: 120506,
    choices: {
      ...WITH_REPLICAS_DRAWN,
      mode: "multi",
      faults: [
        ...(["minority", "zombie", "isolate", "kill", "crash", "pause", "split", "crossed"] as const),
        ...(["replace", "page-corrupt"] as const),
      ],
    },
    wrong:
      "a node that had been paused recovered a stream with the members of a manifest that stood no more, and waited for ever for one that had left",
  },
];
