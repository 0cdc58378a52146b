/** Times and bounds of the computing side of storage: one object, each with its unit and its reason. */

export interface VolumeSettings {
  /**
   * Batches that may be on their way, not yet taken by a write quorum of each of their PGs. Two: one is being synced at
   * the segments while the next stands ready for the sync after it, so that no disk idles; more only makes batches
   * smaller, and every batch costs each of the six segments a frame, a log block and an ack.
   */
  readonly batchesInFlightMax: number;
  /** In a shared volume what is queued waits so long for as much as was lately on its way at once: clients' answers and their next requests. */
  readonly gatherMs: number;
  /** So few are no batch worth waiting for. */
  readonly gatherAbove: number;
  /** A batch this large goes although `batchesInFlightMax` are on their way: waiting no longer saves frames. Bytes. */
  readonly batchBytes: number;
  /** One frame's slices; a PG's share of a batch is cut into frames of about this. Bytes. */
  readonly frameBytes: number;
  /** Decided slices kept for segments that reconnect; what is older is left to gossip. Bytes. */
  readonly retainedBytesMax: number;
  /**
   * What a segment server may lack of what write quorums have before the segment that is sent to next is left to gossip: bounds what waits on its
   * link, together with the in-flight bytes. Taken back when it lacks no more than half as much. Bytes, over all its segments.
   */
  readonly sendBytesMax: number;
  /** Decisions wait so long for a batch to ride on, since a frame of their own costs each segment a sync; not while rivals wait for them. */
  readonly decisionDelayMs: number;
  /** A segment that has not voted on a slice for so long counts as silent: about 100 round trips within a region. */
  readonly silentAfterMs: number;
  /**
   * A segment that usually takes four times as long as the fourth fastest of its PG, and no less than this, is slow: it counts as silent as
   * soon as others have answered. Rounds of the manifest are dearer than a wait that is shorter.
   */
  readonly slowAfterMs: number;
  /** The same of one that has not answered for so long, whatever it takes usually: a pause of its process, or of its disk. */
  readonly lateAfterMs: number;
  /** A segment whose SCL stands still for so long although slices were sent gets them again. */
  readonly resendAfterMs: number;
  /** Writers' courtesy on a page a foreign entry waits for (DESIGN section 6). */
  readonly courtesyMs: number;
  /** A page read goes to a second segment after so long: a few times the usual answer. */
  readonly hedgeAfterMs: number;
  /** A segment server whose answer was late is asked last for so long; then one read finds out whether it still is. */
  readonly readAvoidMs: number;
  /** Behind everywhere, or no answer: ask again after so long. */
  readonly readRetryMs: number;
  /** A page that could not be read for so long is `unavailable`. */
  readonly readTimeoutMs: number;
  /** A manifest phase without a majority for so long starts over with a higher ballot. */
  readonly registerTimeoutMs: number;
  /** One that a seat has refused, and others have not answered for so long, will not win: a rival has those that are quick. */
  readonly registerDuelMs: number;
  /** After a duel of proposers: wait a random part of this times the number of defeats in a row (at most 8). */
  readonly registerBackoffMs: number;
  /** Fence, close, votes and other questions are asked again after so long without an answer. */
  readonly askAgainMs: number;
  /** Own stream fenced at some segment though open in the manifest: its recovery has died on the way; finish it ourselves after so long. */
  readonly fencedPatienceMs: number;
  /** `findTransaction` answers `unknown` after so long. */
  readonly outcomeTimeoutMs: number;
  /** A segment server without a link for so long is replaced, if there is another of its zone to take what it keeps. */
  readonly replaceAfterMs: number;
  /** How often segment servers are told what the readers here need, while that changes. */
  readonly readersEveryMs: number;
  /** And when it does not: some times within the age at which it would not count any more. */
  readonly readersAgainMs: number;
  /** How often work that is left over in the manifest (closed streams to complete, outcomes to drop) is looked at. */
  readonly housekeepingMs: number;
}

export const DEFAULT_VOLUME_SETTINGS: VolumeSettings = Object.freeze({
  batchesInFlightMax: 2,
  gatherMs: 3,
  gatherAbove: 4,
  batchBytes: 1 << 20,
  frameBytes: 4 << 20,
  retainedBytesMax: 32 << 20,
  sendBytesMax: 16 << 20,
  decisionDelayMs: 3,
  silentAfterMs: 250,
  slowAfterMs: 20,
  lateAfterMs: 50,
  resendAfterMs: 500,
  courtesyMs: 50,
  hedgeAfterMs: 8,
  readAvoidMs: 500,
  readRetryMs: 20,
  readTimeoutMs: 10_000,
  registerTimeoutMs: 300,
  registerDuelMs: 25,
  registerBackoffMs: 12,
  askAgainMs: 300,
  fencedPatienceMs: 2000,
  outcomeTimeoutMs: 2000,
  replaceAfterMs: 300_000,
  readersEveryMs: 1_000,
  readersAgainMs: 60_000,
  housekeepingMs: 500,
});
