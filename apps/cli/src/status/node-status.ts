/**
 * What nodes say of themselves: GET /status on each one's own port.
 *
 * Nodes nest their numbers by component (`engine.commits`); a counter is looked up by its own name, nearest to the top
 * first. A number that a node does not report is undefined here and "not reported" to the user, never 0.
 */
import type { ClusterNode } from "@sixfold/cluster";

export type NodeStatus = Readonly<Record<string, unknown>>;

const ANSWER_WITHIN_MS = 2_000;

/** Undefined if the node does not answer in time. */
export async function readStatus(node: Pick<ClusterNode, "url">): Promise<NodeStatus | undefined> {
  const url = new URL("/status", node.url);
  url.protocol = url.protocol === "wss:" || url.protocol === "https:" ? "https:" : "http:";
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const body: unknown = await response.json();
    return isObject(body) ? body : undefined;
  } catch {
    // Not there, not listening, or not speaking HTTP: all the same to who asks.
    return undefined;
  }
}

/** A number by its name, breadth first. */
export function numberOf(status: NodeStatus | undefined, name: string): number | undefined {
  let level: NodeStatus[] = status === undefined ? [] : [status];
  while (level.length > 0) {
    for (const object of level) {
      const value = object[name];
      if (typeof value === "number" && Number.isFinite(value)) return value;
    }
    level = level.flatMap((object) => Object.values(object).filter(isObject));
  }
  return undefined;
}

export function isObject(value: unknown): value is NodeStatus {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The status of every node, taken at about one moment. */
export class StatusSnapshot {
  private readonly statuses: readonly {
    readonly node: ClusterNode;
    readonly status: NodeStatus | undefined;
  }[];

  private constructor(statuses: StatusSnapshot["statuses"]) {
    this.statuses = statuses;
  }

  static async take(nodes: readonly ClusterNode[]): Promise<StatusSnapshot> {
    return new StatusSnapshot(
      await Promise.all(nodes.map(async (node) => ({ node, status: await readStatus(node) }))),
    );
  }

  /** Sum over the nodes of `roles`; undefined unless each of them reports it. */
  sum(name: string, roles: readonly ClusterNode["role"][]): number | undefined {
    let sum = 0;
    let found = false;
    for (const { node, status } of this.statuses) {
      if (!roles.includes(node.role)) continue;
      const value = numberOf(status, name);
      if (value === undefined) return undefined;
      sum += value;
      found = true;
    }
    return found ? sum : undefined;
  }

  /** By how much a counter grew since `before`. */
  growth(before: StatusSnapshot, name: string, roles: readonly ClusterNode["role"][]): number | undefined {
    const now = this.sum(name, roles);
    const then = before.sum(name, roles);
    return now === undefined || then === undefined ? undefined : now - then;
  }
}
