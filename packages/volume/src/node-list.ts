/**
 * The manifest's lists of processes: database nodes, which put themselves in it and out of it (model/database-nodes.ts), and segment
 * servers, which are made known by who starts them.
 *
 * Each change is a compare-and-set that knows its own work again: what was asked for may stand already, by a round that was thought lost.
 */
import {
  nodeInfo,
  nodeLimit,
  isSameNode,
  withNode,
  withoutNode,
  type LimitName,
  type NodeInfo,
  type NodeName,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { ManifestRegister } from "./manifest-register.ts";

/** `listed`: the manifest names the node as it was asked for. Otherwise the limit that it would break; undefined: there is no volume yet. */
export type JoinAnswer = { readonly listed: true } | { readonly limit: LimitName | undefined };

export class NodeList {
  private readonly register: ManifestRegister;

  constructor(register: ManifestRegister) {
    this.register = register;
  }

  join(node: NodeInfo, done: (answer: JoinAnswer, now: number) => void, now: number): void {
    this.register.change(
      (m) => (m === undefined ? undefined : withNode(m, node)),
      ({ manifest }, at) => {
        const listed = manifest === undefined ? undefined : nodeInfo(manifest, node.name);
        if (listed !== undefined && isSameNode(listed, node)) return done({ listed: true }, at);
        done({ limit: manifest === undefined ? undefined : nodeLimit(manifest.nodes, node) }, at);
      },
      now,
    );
  }

  /** Strikes a node off, whether or not it was listed. Once: one that joins under its name while rounds of this go on stays. */
  leave(name: NodeName, done: (now: number) => void, now: number): void {
    let isGone = false;
    this.register.change(
      (m) => {
        if (m === undefined) return undefined;
        isGone ||= nodeInfo(m, name) === undefined;
        return isGone ? undefined : withoutNode(m, name);
      },
      (_, at) => done(at),
      now,
    );
  }

  /** A spare one from now on, whether or not it was known. */
  addServer(server: SegmentServerInfo, done: (now: number) => void, now: number): void {
    this.register.change(
      (m) =>
        m === undefined || m.servers.some(({ name }) => name === server.name)
          ? undefined
          : { ...m, servers: [...m.servers, server] },
      (_, at) => done(at),
      now,
    );
  }
}
