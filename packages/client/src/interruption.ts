/**
 * An answer that did not come. Internal: whoever asked knows what that means for the caller, and says so in a `SixfoldError`.
 */
export class Interruption extends Error {
  override readonly name = "Interruption";
  /** `lost`: the connection is gone. `late`: the deadline passed. */
  readonly kind: "lost" | "late";
  /** The node may have got the request. */
  readonly sent: boolean;

  constructor(kind: "lost" | "late", sent: boolean, reason: string) {
    super(reason);
    this.kind = kind;
    this.sent = sent;
  }
}
