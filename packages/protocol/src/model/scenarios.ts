/**
 * What the formal model is searched on: small configurations, each about one part of the protocol, each searched to its end.
 *
 * Pages and streams are named by index; stream 0 (shown as stream 1) is the oldest and ranks highest. A page with a `home` was made by that
 * stream, which owns it as long as it is unwritten. Groups of segments that act as one keep the larger ones small: `[3, 2, 1]` still
 * distinguishes every quorum of the protocol (4 is 3 + 1 or all, 5 is 3 + 2), `[2, 2, 2]` does not know 5 from 6.
 */
import { MODEL_BREAKS, type ModelBreak, type Scenario } from "./scenario.ts";

const OWNED = { pg: 0, home: 0 } as const;
const FREE = { pg: 0 } as const;
const SHARED = {} as const;
const EXCLUSIVE = { exclusive: true } as const;

const twoRivals = [
  { stream: 0, writes: [0] },
  { stream: 1, writes: [0] },
];

/** Searched in `npm test`. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "rivals",
    says: "two streams on a page that neither owns: votes, waits, yields",
    pages: [FREE],
    streams: [SHARED, SHARED],
    entries: twoRivals,
  },
  {
    name: "owner and rival",
    says: "four accepts for the owner, five for the rival; the owner's stream is recovered, its writer alive",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
  },
  {
    name: "slow recovery",
    says: "the same, with answers that grow old on their way and a manifest that may change meanwhile",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 1, slow: true }],
    groups: [3, 2, 1],
  },
  {
    name: "gift",
    says: "the owner gives the page to its rival, and changes it too; its stream is recovered",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    gifts: [{ page: 0, to: 1 }],
    groups: [2, 2, 2],
  },
  {
    name: "gift, lost writer",
    says: "the same, and it is the new owner's stream that is recovered",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 1 }],
    gifts: [{ page: 0, to: 1 }],
    groups: [2, 2, 2],
  },
  {
    name: "gift, manifest",
    says: "the same, and the old owner may commit through the manifest; two segments are lost",
    pages: [OWNED],
    streams: [{ manifest: true }, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 1 }],
    gifts: [{ page: 0, to: 1 }],
    groups: [2, 1, 1, 2],
    lost: 1,
  },
  {
    name: "checked gift",
    says: "write skew: each stream checks what the other changes, on pages that both were the first one's",
    pages: [OWNED, OWNED],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [1], checks: [0] },
      { stream: 1, writes: [0], checks: [1] },
    ],
    recoveries: [{ stream: 1 }],
    gifts: [
      { page: 0, to: 1 },
      { page: 1, to: 1 },
    ],
    groups: [2, 2, 2],
  },
  {
    name: "racing recoveries",
    says: "two recoveries of one stream, its writer alive",
    pages: [OWNED],
    streams: [SHARED],
    entries: [{ stream: 0, writes: [0] }],
    recoveries: [
      { stream: 0, slow: true },
      { stream: 0, slow: true },
    ],
    groups: [2, 2, 1, 1],
  },
  {
    name: "pipeline",
    says: "an owner's second entry on its undecided first, with a recovery",
    pages: [OWNED],
    streams: [SHARED],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [0] },
    ],
    recoveries: [{ stream: 0 }],
  },
  {
    name: "descendant",
    says: "a zombie's pipeline, committed by a recovery, under a foreign commit that some segment cannot place",
    pages: [OWNED],
    streams: [SHARED, { after: 0 }],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [0] },
      { stream: 1, writes: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
  },
  {
    name: "row read",
    says: "an entry read a row of its stream's undecided one on another page; a rival, and a recovery",
    pages: [FREE, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 1, writes: [0] },
      { stream: 1, writes: [1], reads: 0 },
      { stream: 0, writes: [0] },
    ],
    recoveries: [{ stream: 1 }],
    groups: [2, 2, 2],
  },
  {
    name: "retry",
    says: "an entry that yields is sent again, with a recovery of its stream",
    pages: [FREE],
    streams: [SHARED, SHARED],
    entries: [...twoRivals, { stream: 1, writes: [0], retries: 1 }],
    recoveries: [{ stream: 1 }],
    groups: [2, 2, 2],
  },
  {
    name: "retry elsewhere",
    says: "the next attempt lies in another protection group than the one that yielded",
    pages: [FREE, { pg: 1, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [...twoRivals, { stream: 1, writes: [1], retries: 1 }],
    recoveries: [{ stream: 1 }],
    groups: [4, 2],
  },
  {
    name: "third attempt",
    says: "two attempts yield, the third lies in another protection group",
    pages: [FREE, { pg: 1, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [...twoRivals, { stream: 1, writes: [0], retries: 1 }, { stream: 1, writes: [1], retries: 2 }],
    recoveries: [{ stream: 1 }],
    groups: [4, 2],
  },
  {
    name: "write skew",
    says: "each stream changes what the other checks, with a recovery",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0], checks: [1] },
      { stream: 1, writes: [1], checks: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
  },
  {
    name: "checked page",
    says: "one stream checks the page that the other changes",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0], checks: [1] },
      { stream: 1, writes: [1] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
  },
  {
    name: "overtaken check",
    says: "an entry checks a page, another stream changes it, and one is built on both",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0], checks: [1] },
      { stream: 1, writes: [1] },
      { stream: 0, writes: [0, 1] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [4, 2],
  },
  {
    name: "check, then change",
    says: "an entry checks a page that its stream's next one changes, and another stream builds on that, with a recovery",
    pages: [OWNED, OWNED],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0], checks: [1] },
      { stream: 0, writes: [1] },
      { stream: 1, writes: [1] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [4, 2],
  },
  {
    name: "overtaken on hold",
    says: "an entry is on hold where the base of one of its pages is missing, given up, and its other page built on anew",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [0] },
      { stream: 1, writes: [1, 0] },
      { stream: 1, writes: [1] },
    ],
    groups: [4, 2],
  },
  {
    name: "readers",
    says: "two streams that change a page each, then check both: entries that only read do not disagree on an order",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [], checks: [0, 1] },
      { stream: 1, writes: [1] },
      { stream: 1, writes: [], checks: [0, 1] },
    ],
    groups: [4, 2],
  },
  {
    name: "manifest",
    says: "commits through the manifest by both streams, a recovery of one",
    pages: [FREE],
    streams: [{ manifest: true }, { manifest: true }],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    groups: [2, 2, 2],
  },
  {
    name: "manifest, two lost",
    says: "two segments are gone: only the manifest can commit",
    pages: [FREE],
    streams: [{ manifest: true }, { manifest: true }],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    groups: [1, 1, 2, 2],
    lost: 1,
  },
  {
    name: "manifest, slow recovery",
    says: "a commit through the manifest races the close of its own stream",
    pages: [FREE],
    streams: [{ manifest: true }],
    entries: [{ stream: 0, writes: [0] }],
    recoveries: [{ stream: 0, slow: true }],
    groups: [2, 2, 1, 1],
  },
  {
    name: "manifest against an owner",
    says: "the owner's entry is recovered with two accepts while the rival's commit goes through the manifest",
    pages: [OWNED],
    streams: [SHARED, { manifest: true }],
    entries: twoRivals,
    recoveries: [{ stream: 0, slow: true }],
    groups: [2, 2, 2],
  },
  {
    name: "two groups",
    says: "an entry in two protection groups and one built on it in the second, with a recovery",
    pages: [OWNED, { pg: 1, home: 0 }],
    streams: [SHARED],
    entries: [
      { stream: 0, writes: [0, 1] },
      { stream: 0, writes: [1] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [4, 2],
  },
  {
    name: "three streams",
    says: "three rivals on one page",
    pages: [FREE],
    streams: [SHARED, SHARED, SHARED],
    entries: [...twoRivals, { stream: 2, writes: [0] }],
    groups: [2, 2, 2],
  },
  {
    name: "gossip",
    says: "segments tell each other what they know, with a recovery and a zombie",
    pages: [FREE],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 1 }],
    gossip: true,
    groups: [3, 2, 1],
  },
  {
    name: "exclusive",
    says: "a single master's pipeline, failover, and the next single master",
    pages: [FREE],
    streams: [EXCLUSIVE, { exclusive: true, after: 0 }],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [0] },
      { stream: 1, writes: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [2, 2, 2],
  },
  {
    name: "switch",
    says: "from exclusive to shared: the single master is recovered, alive, and a shared stream builds on what it left",
    pages: [FREE],
    streams: [EXCLUSIVE, { after: 0 }],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
  },
];

/** Searched by `npm run model` only: minutes, and up to some gigabytes. */
export const LARGER_SCENARIOS: readonly Scenario[] = [
  {
    name: "owner and rival, apart",
    says: "owner and rival with six segments of their own minds",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 0 }],
    statesMax: 5_000_000,
  },
  {
    name: "gift, apart",
    says: "a page given to a rival, in smaller groups; the new owner's stream is recovered",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: twoRivals,
    recoveries: [{ stream: 1 }],
    gifts: [{ page: 0, to: 1 }],
    groups: [2, 2, 1, 1],
  },
  {
    name: "descendant, racing",
    says: "the descendant with its stream open from the beginning",
    pages: [OWNED],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0] },
      { stream: 0, writes: [0] },
      { stream: 1, writes: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
    statesMax: 5_000_000,
  },
  {
    name: "manifest against an owner, apart",
    says: "the same in smaller groups, both streams recovered",
    pages: [OWNED],
    streams: [SHARED, { manifest: true }],
    entries: twoRivals,
    recoveries: [{ stream: 0, slow: true }, { stream: 1 }],
    groups: [2, 2, 1, 1],
    statesMax: 3_000_000,
  },
  {
    name: "two groups, three entries",
    says: "entries across two protection groups against a rival in each",
    pages: [OWNED, { pg: 1, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0, 1] },
      { stream: 1, writes: [1] },
      { stream: 1, writes: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [3, 2, 1],
    statesMax: 3_000_000,
  },
  {
    name: "write skew, apart",
    says: "write skew in smaller groups",
    pages: [OWNED, { pg: 0, home: 1 }],
    streams: [SHARED, SHARED],
    entries: [
      { stream: 0, writes: [0], checks: [1] },
      { stream: 1, writes: [1], checks: [0] },
    ],
    recoveries: [{ stream: 0 }],
    groups: [2, 2, 1, 1],
  },
  {
    name: "three streams, recovered",
    says: "three rivals, recoveries of two of them",
    pages: [FREE],
    streams: [SHARED, SHARED, SHARED],
    entries: [...twoRivals, { stream: 2, writes: [0] }],
    recoveries: [{ stream: 0 }, { stream: 1 }],
    groups: [3, 2, 1],
    statesMax: 3_000_000,
  },
];

/** Where each broken rule is caught: a scenario with a short search. One of them only if another is broken, too. */
export const BREAKS: readonly (readonly [rule: string, scenario: string])[] = [
  ["transferred-on-four", "rivals"],
  ["gift-of-claimed-page", "gift, lost writer"],
  ["gift-kept", "gift, lost writer"],
  ["recovery-bound-off-by-one", "exclusive"],
  ["fence-ignored", "pipeline"],
  ["fence-of-three", "switch"],
  ["manifest-commit-without-compare-and-set", "manifest against an owner"],
  ["recovery-without-compare-and-set", "manifest against an owner"],
  ["manifest-commit-without-conflict-check", "manifest against an owner"],
  ["recovery-without-conflict-check", "manifest against an owner"],
  ["manifest-commit-on-old-votes", "manifest against an owner"],
  ["outcomes-dropped-early", "manifest, slow recovery"],
  ["votes-not-sticky", "rivals"],
  ["base-unchecked", "rivals"],
  ["rivals-kept", "manifest against an owner"],
  ["wait-as-accept", "rivals"],
  ["abort-told-early", "rivals"],
  ["superseded-told-early", "retry"],
  ["decisions-not-carried", "third attempt"],
  ["own-base-learned", "pipeline"],
  ["no-read-claims", "checked page"],
  ["own-bases-ignored", "row read"],
  ["quorum-in-one-pg", "two groups"],
  ["recovery-ignores-manifest", "manifest"],
  ["recovery-ignores-commits", "exclusive"],
  ["recovery-ignores-aborts", "retry elsewhere"],
  ["recovery-ignores-supersedes, decisions-not-carried", "retry elsewhere"],
  ["recovery-without-own-bases", "row read"],
  ["overtaken-check-dooms", "overtaken check"],
  ["own-change-overtakes-check", "check, then change"],
  ["later-own-claim-ignored", "overtaken on hold"],
  ["read-checks-not-sent", "readers"],
];

/** The names in one of the lists of broken rules. */
export const rulesIn = (rules: string): ReadonlySet<ModelBreak> => {
  const known: ReadonlySet<string> = new Set(MODEL_BREAKS);
  const named = rules.split(", ");
  const wrong = named.find((rule) => !known.has(rule));
  if (wrong !== undefined) throw new Error(`no rule "${wrong}"; one of: ${MODEL_BREAKS.join(", ")}`);
  return new Set(named as ModelBreak[]);
};

export function scenarioOf(name: string): Scenario {
  const found = [...SCENARIOS, ...LARGER_SCENARIOS].find((s) => s.name === name);
  if (found === undefined) throw new Error(`no scenario "${name}"`);
  return found;
}
