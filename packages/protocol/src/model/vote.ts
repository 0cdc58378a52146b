/**
 * What a segment says of a slice, in four bits of a state.
 *
 * A refusal keeps whether the segment had accepted before: the writer may have heard of that and count it, though nobody else does.
 * Its kinds differ in what they prove: of the entry itself, and of what is built on it (protocol-findings, 1 and 17).
 */
export const ABSENT = 0;
export const HOLD = 1;
export const WAIT = 2;
export const ACCEPT = 3;
/** Names a committed version of a page that the entry changes: it can never commit, nor can what is built on it. */
export const REJECT = 4;
export const REJECT_AFTER_ACCEPT = 5;
/** Here and decided; its vote, if there was one, does not matter any more. */
export const HERE = 6;
/** Here and aborted, but accepted once. */
export const HERE_AFTER_ACCEPT = 7;
/** An own base is aborted or can never commit: ends the entry like a reject, but no client may hear so yet. */
export const VOID = 8;
export const VOID_AFTER_ACCEPT = 9;
/** A page that was only checked has changed. The entry may have been committed before that: proves nothing of what is built on it. */
export const OVERTAKEN = 10;
export const OVERTAKEN_AFTER_ACCEPT = 11;

/** Ends the entry at its writer. */
export const isRefusal = (vote: number): boolean =>
  vote >= VOID || vote === REJECT || vote === REJECT_AFTER_ACCEPT;

/** Accepted before, and refused since. */
export const isTakenBack = (vote: number): boolean =>
  vote === REJECT_AFTER_ACCEPT || vote === VOID_AFTER_ACCEPT || vote === OVERTAKEN_AFTER_ACCEPT;

export const afterAccept = (refusal: number): number =>
  refusal === REJECT ? REJECT_AFTER_ACCEPT : refusal === VOID ? VOID_AFTER_ACCEPT : OVERTAKEN_AFTER_ACCEPT;

/** By vote: void, reject, hold, wait, accept, and of the rejects first the one that proves more. */
const RANK = [0, 3, 2, 1, 5, 0, 0, 0, 6, 0, 4] as const;

/** Which of two words on different pages of a slice counts. */
export const stronger = (a: number, b: number): number => (RANK[b]! > RANK[a]! ? b : a);

/** By vote: what an acknowledgement calls it. */
export const VOTE_NAMES = [
  undefined,
  "hold",
  "wait",
  "accept",
  "reject",
  "reject",
  undefined,
  undefined,
  "void",
  "void",
  "reject",
  "reject",
] as const;
