/** Small numbers that stand in a state's bytes (`world.ts`). */

/** A decision, where it stands in two bits. */
export const NO_DECISION = 0;
export const COMMIT = 1;
export const ABORT = 2;

/** What a segment answered a recovery, per entry. */
export const UNSEEN = 0;
export const NOT_ACCEPTED = 1;
export const ACCEPTED = 2;
export const KNOWN_COMMIT = 3;
export const KNOWN_ABORT = 4;
export const ANSWERED = 0x80;

/** How far a writer is with an entry. */
export const UNSENT = 0;
export const SENT = 1;
export const COMMITTED = 2;
export const ABORTED = 3;

/** A recovery's or a manifest commit's progress. */
export const IDLE = 0;
export const UNDER_WAY = 1;
export const DONE = 2;
