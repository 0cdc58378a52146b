/**
 * A session: what its next transaction must see at least, wherever it runs (DESIGN section 8).
 *
 * Every frame of answers brings a token: the read point of its node, which includes what the answers showed and committed. So
 * a session reads its own writes, and never less than it has read before. What a node showed once it shows for as long as the
 * connection lasts, so a token need only be sent to *other* nodes: a client that stays with one writer sends none. Tokens of
 * several nodes are joined component by component.
 */
import { leastUpperBound, ReadPoint, type Consistency, type Isolation, type StreamId } from "@sixfold/model";
import { decodeSessionToken, encodeSessionToken, type TransactionOptions } from "@sixfold/wire";
import type { NodeConnection } from "./node-connection.ts";

/** How a transaction, or a read by itself, began. */
export interface Began {
  readonly node: NodeConnection;
  readonly options: TransactionOptions;
  /** The session's losses known then. */
  readonly losses: number;
}

const NOTHING = new ReadPoint(0 as StreamId);

export class SessionFlow {
  /** The node that answered last, and its token. */
  private latest: NodeConnection | undefined;
  private latestToken: Uint8Array | undefined;
  /** What the others answered, joined. */
  private others: ReadPoint | undefined;
  private othersToken: Uint8Array | undefined;
  private wholeToken: Uint8Array | undefined;
  /** Commits known of whose tokens were lost, and how many of them a later token is sure to include. */
  private losses = 0;
  private made = 0;

  /** Planted: reads bring no tokens. */
  private readonly forgetsReads: boolean;

  constructor(token?: Uint8Array, forgetsReads = false) {
    this.forgetsReads = forgetsReads;
    if (token !== undefined && token.length > 0) this.others = decodeSessionToken(token);
  }

  /** What was read came with this token. */
  includeRead(began: Began, token: Uint8Array): void {
    if (!this.forgetsReads) this.include(began, token);
  }

  /** An answer came with this token. */
  include({ node, options, losses }: Began, token: Uint8Array): void {
    if (options.consistency === "cluster") this.made = Math.max(this.made, losses);
    if (token.length === 0 || token === this.latestToken) return;
    if (node === this.latest && isSame(token, this.latestToken)) return;
    this.wholeToken = undefined;
    if (node !== this.latest && this.latestToken !== undefined && !isSame(token, this.latestToken)) {
      this.others = leastUpperBound(this.others ?? NOTHING, decodeSessionToken(this.latestToken));
      this.othersToken = undefined;
    }
    this.latest = node;
    this.latestToken = token;
  }

  /** A commit is known of, but not where it shows: until a token includes it, transactions ask the whole cluster. */
  tokenLost(): void {
    this.losses += 1;
  }

  get lossesKnown(): number {
    return this.losses;
  }

  /** How a transaction begins at `node`. */
  options(
    node: NodeConnection,
    isolation: Isolation,
    consistency: Consistency,
    maxLagMs?: number,
  ): TransactionOptions {
    const asked = this.made < this.losses ? "cluster" : consistency;
    const session = node === this.latest ? this.tokenOfOthers() : this.tokenOfAll();
    return {
      ...{ isolation, consistency: asked },
      ...(session === undefined ? {} : { session }),
      ...(maxLagMs === undefined ? {} : { maxLagMs: Math.floor(maxLagMs) }),
    };
  }

  get token(): Uint8Array {
    return this.tokenOfAll() ?? encodeSessionToken(NOTHING);
  }

  private tokenOfOthers(): Uint8Array | undefined {
    if (this.others === undefined) return undefined;
    return (this.othersToken ??= encodeSessionToken(this.others));
  }

  private tokenOfAll(): Uint8Array | undefined {
    if (this.latestToken === undefined) return this.tokenOfOthers();
    if (this.others === undefined) return this.latestToken;
    return (this.wholeToken ??= encodeSessionToken(
      leastUpperBound(this.others, decodeSessionToken(this.latestToken)),
    ));
  }
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
