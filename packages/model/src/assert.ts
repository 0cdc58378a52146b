/** Assertions that stay on in production (STYLE rule 16): they guard our own logic, never what a peer, a disk or a user sent. */

/** A broken invariant of our own. It stops the node that noticed it. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Throws `AssertionFailure` unless `condition` holds. `what` states the rule that was expected to hold. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionFailure(what);
}

/** Marks the place that a closed union cannot reach. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${String(value)}`);
}
