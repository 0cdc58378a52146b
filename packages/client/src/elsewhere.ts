/**
 * Where a reader with `maxLagMs` goes: on from each node that was too stale for it, to other replicas first, then to a writer.
 *
 * One object for all attempts of one call. When nobody is left it begins again with the usual choice: lags pass.
 */
import { SixfoldError } from "@sixfold/model";
import type { NodeConnection } from "./node-connection.ts";
import type { NodePool } from "./node-pool.ts";
import type { Need } from "./serving.ts";

/** Throws `bad-request` for what is no bound; users may come without types. */
export function checkMaxLag(maxLagMs: number | undefined): void {
  if (maxLagMs === undefined || (Number.isFinite(maxLagMs) && maxLagMs >= 0)) return;
  throw new SixfoldError("bad-request", `maxLagMs is a number of milliseconds, not ${String(maxLagMs)}`);
}

export class Elsewhere {
  private readonly pool: NodePool;
  private readonly stale = new Set<NodeConnection>();

  constructor(pool: NodePool) {
    this.pool = pool;
  }

  pick(need: Need, hint: string | number | undefined): NodeConnection | undefined {
    const other = this.stale.size === 0 ? undefined : this.pool.pickElse(need, this.stale);
    return other ?? this.pool.pick(need, hint);
  }

  /** What an attempt at this node came to. */
  failed(node: NodeConnection | undefined, error: unknown): void {
    if (node !== undefined && error instanceof SixfoldError && error.code === "too-stale")
      this.stale.add(node);
  }
}
