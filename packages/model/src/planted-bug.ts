/**
 * Planted bugs: one name for each way in which a rule of DESIGN may be broken by a small mistake.
 *
 * A checker that has never failed proves nothing (STYLE 29). So every core takes a set of these names, and with a name in it
 * makes that one mistake: an `if` less, a bound off by one, a step too early. Production gives no set. The simulator and tests do,
 * and must notice each: by what clients saw, or by what the monitor heard, never by an assertion that names the bug.
 *
 * The list is closed, and the compiler refuses a name that is not in it; a test looks that each is consulted somewhere.
 * Cores read a name once, at construction, where a lookup per slice or row would be felt.
 */

/** What a planted bug is about. */
export interface PlantedRule {
  /** The invariant (I1 to I10) or the section of DESIGN that it breaks. */
  readonly rule: string;
  /** What goes wrong in the code. */
  readonly breaks: string;
}

export const PLANTED_BUGS = {
  // Segments: append, vote, decide (DESIGN section 4)
  "back-link-unchecked": { rule: "4 append", breaks: "a slice beyond a gap is taken as if it were the next" },
  "base-unchecked": { rule: "4 vote 1, I3", breaks: "a slice is voted on without a look at its bases" },
  "votes-not-sticky": { rule: "4 vote 1", breaks: "an accept is forgotten when a rival comes along" },
  "no-read-claims": { rule: "4 vote 1", breaks: "read checks claim nothing" },
  "own-base-learned": { rule: "4 vote", breaks: "a base of the same stream is taken for committed" },
  "no-void": { rule: "4 vote 2", breaks: "entries with an aborted own base keep their accept" },
  "overtaken-check-dooms": {
    rule: "4 vote 2, I2",
    breaks: "what builds on an entry is rejected with it on account of a page that it only checked",
  },
  "own-change-overtakes-check": {
    rule: "4 vote 2, 7 step 2, I2",
    breaks: "an entry that checked a page is beaten by a later one of its own stream that changed it",
  },
  "later-own-claim-ignored": {
    rule: "4 vote 4, I3",
    breaks: "a slice that was on hold is accepted beside a later one of its stream",
  },
  "rivals-kept": { rule: "4 decide", breaks: "a committed entry leaves its rivals' accepts alone" },
  "fenced-revote": { rule: "4 vote 3", breaks: "waiters of a fenced stream are voted on again" },
  "gossip-makes-votes": {
    rule: "4 gossip",
    breaks: "undecided slices are taken from peers, and count as accepted",
  },

  // Segments: what is durable, and reads (DESIGN section 4, I1, I8)
  "early-ack": { rule: "4 append, I1", breaks: "a segment's machine says `ack` before its persist effect" },
  "sync-skipped": { rule: "I1", breaks: "the log calls a block durable once it is written, not synced" },
  "torn-tail-accepted": { rule: "I1", breaks: "a restart takes log blocks whose checksum fails" },
  "vote-not-persisted": { rule: "4 vote", breaks: "votes other than accept are not in the log" },
  "decisions-not-persisted": { rule: "6 told, I2", breaks: "decisions are acknowledged, but not in the log" },
  "log-trimmed-early": { rule: "4 trim, I1", breaks: "log files go before their slices are merged" },
  "page-checksum-ignored": { rule: "4 scrub", breaks: "a stored page is used whatever its checksum says" },
  "reads-behind": { rule: "I8", breaks: "pages are read whatever the reader needs" },
  "merge-all": { rule: "4 merge", breaks: "versions above the low-water mark are merged" },
  "copy-half-counts": { rule: "4 gossip, I8", breaks: "a copy's positions count from its first pages on" },

  // Segments: fences, closes, the manifest's seats (DESIGN section 7)
  "fence-ignored": { rule: "7 step 1, I6", breaks: "a fence is answered, but not kept to" },
  "fence-not-persisted": { rule: "7 step 1, I6", breaks: "a restart forgets the fence" },
  "zombie-gossip": {
    rule: "7 step 1",
    breaks: "a fenced segment takes decisions from peers before it hears the close",
  },
  "fenced-aborts-unlisted": {
    rule: "7 step 2",
    breaks: "a fenced segment does not list the aborts it knows",
  },
  "close-does-not-fence": {
    rule: "7 step 4, I6",
    breaks: "a segment that learns of the close goes on taking slices",
  },
  "manifest-word-ignored": {
    rule: "4 decide",
    breaks: "what the writer said stands against the manifest's word",
  },
  "seat-forgets-promise": { rule: "7 manifest", breaks: "a seat's promise is not in the log" },
  "seat-takes-older-ballot": { rule: "7 manifest", breaks: "a seat accepts a ballot below its promise" },

  // Writers: counting and deciding (DESIGN section 6)
  "transferred-on-four": {
    rule: "6 quorum, I3",
    breaks: "four accepts commit on pages that pass between writers",
  },
  "gift-of-claimed-page": {
    rule: "6 quorum, I3",
    breaks: "an owner gives a page away that entries of its own in flight change as its owner's",
  },
  "gift-kept": { rule: "6 quorum, I3", breaks: "who gave a page away goes on as if it owned it" },
  "quorum-of-three": { rule: "6 quorum, I1", breaks: "three accepts commit" },
  "quorum-in-one-pg": { rule: "6 commit, I1", breaks: "a quorum in one protection group is enough" },
  "wait-as-accept": { rule: "6 commit", breaks: "a wait is counted as an accept" },
  "reject-ignored": {
    rule: "6 abort",
    breaks: "a reject leaves the segment's accept counted, and aborts nothing",
  },
  "durable-ahead-of-gap": { rule: "6, I1", breaks: "a later entry's quorum commits the entry before it" },
  "exclusive-ahead-of-gap": { rule: "6 single, I1", breaks: "one entry more than a quorum has is durable" },
  "commit-out-of-order": { rule: "6 commit", breaks: "an entry commits while an earlier one is undecided" },
  "passes-open-aborts": {
    rule: "6 told, I4",
    breaks: "the durable point passes an abort that a recovery may still turn into a commit",
  },
  "own-bases-ignored": { rule: "6 commit, I5", breaks: "an entry built on an aborted one goes on" },
  "never-yields": { rule: "6 abort, I7", breaks: "an entry in the way of a higher stream's waits for ever" },
  "decisions-not-carried": { rule: "6 decisions", breaks: "a decision is sent once" },
  "abort-told-early": { rule: "6 told, I2", breaks: "a yield is told before it is durable" },
  "superseded-told-early": {
    rule: "6 told, I2",
    breaks: "an abort is told once the next attempt is decided",
  },
  "fenced-acks-count": { rule: "7 step 1, I6", breaks: "a fenced segment's positions count for the writer" },
  "manifest-commit-without-compare-and-set": {
    rule: "6 manifest",
    breaks: "the commit is written over whatever the manifest has become",
  },
  "manifest-commit-without-conflict-check": {
    rule: "6 manifest",
    breaks: "rivals committed there do not count",
  },
  "manifest-commit-closed-unchecked": { rule: "6 manifest, I6", breaks: "a closed stream commits there" },
  "manifest-commit-on-old-votes": {
    rule: "6 manifest",
    breaks: "votes of before the manifest was read count",
  },

  // Recovery and failover (DESIGN section 7)
  "fence-of-three": { rule: "7 step 1, I6", breaks: "recovery judges when three segments are fenced" },
  "recovery-bound-off-by-one": { rule: "7 step 2, I1", breaks: "5 - q may lack the accept, not 6 - q" },
  "recovery-without-own-bases": { rule: "7 step 2, I5", breaks: "an entry's own bases are not looked at" },
  "recovery-without-conflict-check": { rule: "7 step 2, I3", breaks: "committed rivals are not looked at" },
  "rivals-elsewhere-unasked": {
    rule: "7 step 2, I3",
    breaks: "a segment that lacks an entry is not asked for its committed rivals",
  },
  "recovery-without-compare-and-set": {
    rule: "7 step 3",
    breaks: "the close is written over a changed manifest",
  },
  "recovery-ignores-manifest": { rule: "7 step 2, I2", breaks: "outcomes in the manifest are not looked at" },
  "recovery-ignores-commits": { rule: "7 step 2, I2", breaks: "a commit seen at a segment is judged anew" },
  "recovery-ignores-aborts": { rule: "7 step 2, I2", breaks: "an abort seen at a segment is judged anew" },
  "recovery-ignores-supersedes": { rule: "7 step 2, I2", breaks: "a superseded entry may be committed" },
  "final-one-short": { rule: "7 step 3, I1", breaks: "the stream is closed below its last committed entry" },
  "outcomes-dropped-early": {
    rule: "7 step 4",
    breaks: "outcomes leave the manifest when one segment knows them",
  },
  "settled-too-early": {
    rule: "7 step 4, I8",
    breaks: "a stream counts as whole everywhere when all know of its close",
  },
  "closed-in-flight": { rule: "7 mode, I1", breaks: "a clean close does not wait for what is in flight" },
  "manifest-majority-of-three": { rule: "7 manifest", breaks: "three of six seats make a majority" },
  "one-set-of-two": {
    rule: "7 membership",
    breaks: "while a PG changes its members, a quorum of the old six is enough",
  },
  "newcomer-counts-at-once": {
    rule: "7 membership, I8",
    breaks: "a newcomer passes for whole before it has copied anything",
  },
  "epoch-said-early": {
    rule: "7 membership",
    breaks: "a writer says that it is past an epoch while entries of before are undecided",
  },
  "moving-seats-in-old-set-only": {
    rule: "7 manifest, membership",
    breaks: "while the manifest's seats move, a majority of the old six is enough",
  },
  "seats-move-unsettled": {
    rule: "7 manifest, membership",
    breaks: "the seats move on from a value that may not have been chosen",
  },
  "exclusive-not-fenced": { rule: "7 mode", breaks: "a failover opens its stream beside the old one" },
  "opened-on-stale-pages": {
    rule: "7 mode, I3",
    breaks: "what a close has left is not taken in before writing",
  },

  // Pages, rows, transactions (DESIGN section 5)
  "written-rows-unvalidated": { rule: "I9", breaks: "rows read and written are not validated" },
  "rebuild-unvalidated": {
    rule: "I9",
    breaks: "an entry that lost a page is built again without validation",
  },
  "read-rows-unvalidated": { rule: "5 validate", breaks: "serializable: rows only read are not validated" },
  "ranges-unvalidated": { rule: "5 validate", breaks: "serializable: scanned ranges are not validated" },
  "read-checks-not-sent": { rule: "5 validate", breaks: "serializable: what was read is not in the entry" },
  "read-bases-forgotten": {
    rule: "6 own base, I5",
    breaks: "undecided rows that a procedure read are no own bases",
  },
  "answers-before-bases": {
    rule: "6 own base, I2",
    breaks: "an answer that rests on undecided rows is given",
  },
  "undecided-read": { rule: "I4", breaks: "own entries are shown when they are submitted" },
  "evicts-undecided": { rule: "5 buffer pool", breaks: "pages above the durable point are evicted" },
  "foreign-base-unchecked": {
    rule: "6 nodes",
    breaks: "a foreign delta is applied to whatever page is here",
  },
  "split-leaves-left-alone": { rule: "5 trees", breaks: "a split does not change the leaf that it narrows" },

  // What nodes see, and what clients are promised (DESIGN sections 6 and 8)
  "shown-before-durable": { rule: "6 nodes, I2", breaks: "other nodes show an entry before it is decided" },
  "shown-in-part": { rule: "I4", breaks: "other nodes show an entry of which they have one slice" },
  "causal-order-ignored": { rule: "I5", breaks: "other nodes show an entry before what it was built on" },
  "gap-keeps-pages": { rule: "6 nodes", breaks: "a node that missed part of a feed keeps its pages" },
  "gap-not-closed": { rule: "I5", breaks: "a node that missed part of a feed reads at once" },
  "need-not-told": { rule: "I8", breaks: "page reads do not say what they need" },
  "session-token-ignored": { rule: "8 session", breaks: "a session's token is not waited for" },
  "read-tokens-dropped": { rule: "8 session", breaks: "a session forgets what it has only read" },
  "lag-bound-ignored": { rule: "8 maxLagMs", breaks: "a read with maxLagMs is served however old it may be" },
  "cluster-read-asks-nobody": { rule: "8 cluster", breaks: "the other writers are not asked" },
  "cluster-read-unchecked-manifest": {
    rule: "8 cluster, I6",
    breaks: "a fenced writer serves reads as fresh",
  },
  "cluster-read-joins-round": { rule: "8 cluster", breaks: "a read shares a round that had begun before it" },
  "cluster-snapshot-unordered": {
    rule: "8 cluster",
    breaks: "a cluster snapshot is what its node shows by now, not what the sequencer gave",
  },
  "outcome-guesses-aborted": { rule: "8 outcome, I2", breaks: "`outcome` says aborted where it cannot know" },
  "aborted-not-barred": { rule: "8 outcome, I2", breaks: "a commit said to be aborted may still arrive" },
  "recovered-commit-told-early": {
    rule: "I1",
    breaks: "a recovery's commit is told while two segments have it",
  },
  "lost-entries-guessed-aborted": {
    rule: "I2",
    breaks: "a writer that lost its stream calls what was in flight aborted",
  },
  "unknown-run-again": {
    rule: "8 outcome, I9",
    breaks: "the SDK runs a transaction again whose outcome it does not know",
  },
} as const satisfies Readonly<Record<string, PlantedRule>>;

export type PlantedBug = keyof typeof PLANTED_BUGS;
export type PlantedBugs = ReadonlySet<PlantedBug>;

/** What production runs with. */
export const NO_BUGS: PlantedBugs = new Set();

/** In the order of the table. */
export const plantedBugs = (): readonly PlantedBug[] => Object.keys(PLANTED_BUGS) as PlantedBug[];

export const isPlantedBug = (name: string): name is PlantedBug => Object.hasOwn(PLANTED_BUGS, name);
