/**
 * Where each planted bug is hunted: the choices of `sixfold simulate` under which it shows soonest; or the scripted lives that
 * bring about what a cluster meets once in thousands of faults; or a script of its own, where even those would take too long.
 */
import type { PlantedBug } from "@sixfold/model";
import type { Choices } from "@sixfold/simulation";

export type Hunt =
  | { readonly world: "cluster"; readonly choices: Choices }
  /** `test/invariants/random-life.ts`, `contested-life.ts`. */
  | { readonly world: "random lives" | "contested lives" }
  /** A test that plays it, and fails without the bug. */
  | { readonly world: "script"; readonly test: string };

const cluster = (choices: Choices): Hunt => ({ world: "cluster", choices });
const scripted = (test: string): Hunt => ({ world: "script", test });
const LIVES: Hunt = { world: "random lives" };
const CONTESTED: Hunt = { world: "contested lives" };

const FAR = { mode: "multi", distance: "far" } as const;
const ON_FEW_PAGES = ["hot", "transfer", "bank", "append", "register"] as const;

const MASTERS = cluster({ mode: "multi" });
const SINGLE = cluster({ mode: "single", faults: ["kill", "kill-writers", "zombie", "stop"] });
const POWER = cluster({ faults: ["crash", "crash-all", "crash-pair", "crash-zone", "kill"] });
const ALL_POWER = cluster({ faults: ["crash-all"] });
const LONG_POWER = cluster({ faults: ["crash-all", "crash"], workloads: ["long-values", "churn"] });
const TORN = cluster({
  distance: "near",
  faults: ["disk-slow", "disk-stall", "crash", "crash-pair", "crash-zone"],
  workloads: ["long-values"],
});
const LOST_FRAMES = cluster({ faults: ["lose", "break-links", "reorder"] });
const BROKEN_LINKS = cluster({ ...FAR, faults: ["break-links", "dispute"] });
const STOPS = cluster({ distance: "far", faults: ["stop", "minority"] });
const DISPUTE = cluster({ ...FAR, faults: ["dispute"], workloads: ON_FEW_PAGES });
const CORNERED = cluster({ ...FAR, faults: ["cornered", "minority", "kill", "crash"] });
const DEPENDENT = cluster({
  ...FAR,
  faults: ["kill", "kill-writers", "dispute"],
  workloads: ["append", "register", "hot"],
});
const PARTS = cluster({ mode: "multi", workloads: ["churn", "long-values"] });
const SERIALIZABLE = cluster({
  mode: "multi",
  isolation: "serializable",
  workloads: ["append", "register"],
});
const CLUSTER_READS = cluster({ mode: "multi", consistency: "cluster", workloads: ["register", "append"] });
const GIFTS = cluster({
  mode: "multi",
  faults: ["minority", "isolate-zone", "crash-pair"],
  workloads: ["append", "register", "hot"],
});
const REPLACED = cluster({ mode: "multi", faults: ["replace", "kill", "crash", "minority", "pause"] });
const OUTCOMES = cluster({ workloads: ["outcomes"], faults: ["kill", "kill-writers", "zombie", "minority"] });

export const HUNTS: Readonly<Record<PlantedBug, Hunt>> = {
  "back-link-unchecked": LOST_FRAMES,
  "base-unchecked": MASTERS,
  "votes-not-sticky": MASTERS,
  "no-read-claims": SERIALIZABLE,
  "own-base-learned": LIVES,
  "no-void": scripted("packages/segment/src/votes.test.ts"),
  "overtaken-check-dooms": scripted("packages/segment/src/votes.test.ts"),
  "own-change-overtakes-check": scripted("packages/segment/src/votes.test.ts"),
  "later-own-claim-ignored": scripted("packages/segment/src/votes.test.ts"),
  "rivals-kept": CONTESTED,
  "fenced-revote": DISPUTE,
  "gossip-makes-votes": MASTERS,
  "early-ack": POWER,
  "sync-skipped": ALL_POWER,
  "torn-tail-accepted": TORN,
  "vote-not-persisted": POWER,
  "decisions-not-persisted": POWER,
  "log-trimmed-early": LONG_POWER,
  "page-checksum-ignored": scripted("packages/segment/src/planted.test.ts"),
  "reads-behind": MASTERS,
  "merge-all": scripted("packages/segment/src/segment-server.test.ts"),
  "copy-half-counts": scripted("packages/segment/src/planted.test.ts"),
  "fence-ignored": DISPUTE,
  "fence-not-persisted": CONTESTED,
  "zombie-gossip": DISPUTE,
  "fenced-aborts-unlisted": DISPUTE,
  "close-does-not-fence": DISPUTE,
  "manifest-word-ignored": DISPUTE,
  "seat-forgets-promise": CONTESTED,
  "seat-takes-older-ballot": POWER,
  "transferred-on-four": MASTERS,
  "gift-of-claimed-page": GIFTS,
  "gift-kept": GIFTS,
  "quorum-of-three": POWER,
  "quorum-in-one-pg": MASTERS,
  "wait-as-accept": DISPUTE,
  "reject-ignored": MASTERS,
  "durable-ahead-of-gap": POWER,
  "exclusive-ahead-of-gap": POWER,
  "commit-out-of-order": MASTERS,
  "passes-open-aborts": DISPUTE,
  "own-bases-ignored": MASTERS,
  "never-yields": DISPUTE,
  "decisions-not-carried": BROKEN_LINKS,
  "abort-told-early": DISPUTE,
  "superseded-told-early": DISPUTE,
  "fenced-acks-count": CONTESTED,
  "manifest-commit-without-compare-and-set": scripted("test/invariants/fencing.test.ts"),
  "manifest-commit-without-conflict-check": scripted("test/invariants/fencing.test.ts"),
  "manifest-commit-closed-unchecked": scripted("test/invariants/fencing.test.ts"),
  "manifest-commit-on-old-votes": scripted("packages/volume/src/protocol.test.ts"),
  "fence-of-three": CORNERED,
  "recovery-bound-off-by-one": CONTESTED,
  "recovery-without-own-bases": CORNERED,
  "recovery-without-conflict-check": CONTESTED,
  "rivals-elsewhere-unasked": CONTESTED,
  "recovery-without-compare-and-set": CONTESTED,
  "recovery-ignores-manifest": scripted("packages/volume/src/recovery-rules.prop.test.ts"),
  "recovery-ignores-commits": CORNERED,
  "recovery-ignores-aborts": scripted("packages/volume/src/recovery-rules.prop.test.ts"),
  "recovery-ignores-supersedes": scripted("packages/volume/src/recovery-rules.prop.test.ts"),
  "final-one-short": POWER,
  "outcomes-dropped-early": CONTESTED,
  "settled-too-early": CONTESTED,
  "closed-in-flight": STOPS,
  "manifest-majority-of-three": scripted("packages/volume/src/manifest-register.sim.test.ts"),
  "one-set-of-two": REPLACED,
  "newcomer-counts-at-once": scripted("packages/segment/src/newcomer.test.ts"),
  "epoch-said-early": scripted("packages/volume/src/epoch-mark.test.ts"),
  "moving-seats-in-old-set-only": scripted("packages/volume/src/seat-moves.test.ts"),
  "seats-move-unsettled": scripted("packages/volume/src/seat-moves.test.ts"),
  "exclusive-not-fenced": SINGLE,
  "opened-on-stale-pages": MASTERS,
  "written-rows-unvalidated": MASTERS,
  "rebuild-unvalidated": MASTERS,
  "read-rows-unvalidated": SERIALIZABLE,
  "ranges-unvalidated": SERIALIZABLE,
  "read-checks-not-sent": scripted("test/simulation/isolation.sim.test.ts"),
  "read-bases-forgotten": DEPENDENT,
  "answers-before-bases": DEPENDENT,
  "undecided-read": MASTERS,
  "evicts-undecided": scripted("packages/engine/src/engine.sim.test.ts"),
  "foreign-base-unchecked": scripted("packages/engine/src/engine.sim.test.ts"),
  "split-leaves-left-alone": scripted("test/invariants/trees.test.ts"),
  "shown-before-durable": MASTERS,
  "shown-in-part": PARTS,
  "causal-order-ignored": CONTESTED,
  "gap-keeps-pages": MASTERS,
  "gap-not-closed": MASTERS,
  "need-not-told": MASTERS,
  "session-token-ignored": MASTERS,
  "read-tokens-dropped": scripted("test/simulation/replicas.sim.test.ts"),
  "lag-bound-ignored": scripted("test/simulation/replicas.sim.test.ts"),
  "cluster-read-asks-nobody": CLUSTER_READS,
  "cluster-read-unchecked-manifest": scripted("packages/database/src/snapshot-sequencer.test.ts"),
  "cluster-read-joins-round": CLUSTER_READS,
  "cluster-snapshot-unordered": scripted("test/invariants/snapshots.test.ts"),
  "outcome-guesses-aborted": OUTCOMES,
  "aborted-not-barred": OUTCOMES,
  "recovered-commit-told-early": CONTESTED,
  "lost-entries-guessed-aborted": CONTESTED,
  "unknown-run-again": OUTCOMES,
};
