/**
 * Who belongs to the cluster, as this node knows it: the manifest's list of nodes and of segment servers, and whom to dial.
 *
 *     starting ──first manifest──> listed as it is? ──no──> joins ──> listed ──stops for good──> leaves ──> left
 *                                                            └── one too many: ends       └── struck off by others: ends
 *
 * Addresses given at the start are how this process reaches the others (by way of a proxy, perhaps), so they come before those of the
 * list, until the list changes them: then the node has moved. Who was given and has not joined yet is dialled; who was listed and is not
 * any more is not.
 *
 * A node that finds itself struck off, or listed at another address than its own (a process of its name has been started elsewhere),
 * was retired: it decides what is in flight, closes its stream, and ends.
 */
import {
  isSameNode,
  nodeInfo,
  type LimitName,
  type Manifest,
  type NodeInfo,
  type NodeName,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { JoinAnswer } from "@sixfold/volume";
import type { NodeEffect, NodeOptions } from "./node-api.ts";

/** What the roster asks of its node. */
export interface RosterIo {
  join(node: NodeInfo, done: (answer: JoinAnswer, now: number) => void, now: number): void;
  leave(name: NodeName, done: (now: number) => void, now: number): void;
  /** The list names this node from now on. */
  joined(): void;
  /** Others have struck this node off, or there is no room for it: it is to end. */
  retired(now: number): void;
  emit(effect: NodeEffect): void;
}

interface Listing {
  readonly name: NodeName;
  readonly url: string;
}

/** Addresses by name, as given and as listed. */
class Addresses<Info extends Listing> {
  private readonly given: Map<NodeName, Info>;
  private listed = new Map<NodeName, Info>();

  constructor(given: readonly Info[]) {
    this.given = new Map(given.map((one) => [one.name, one]));
  }

  learn(list: readonly Info[]): void {
    const listed = new Map(list.map((one) => [one.name, one]));
    for (const [name, before] of this.listed)
      if (listed.get(name)?.url !== before.url) this.given.delete(name);
    this.listed = listed;
  }

  /** Whom to dial, and where. */
  get targets(): Info[] {
    return [...new Map([...this.listed, ...this.given]).values()];
  }
}

export class Roster {
  private readonly self: NodeInfo;
  private readonly io: RosterIo;
  private readonly peers: Addresses<NodeInfo>;
  private readonly servers: Addresses<SegmentServerInfo>;
  private list: readonly NodeInfo[];
  private standing: "new" | "joining" | "listed" | "leaving" | "left" = "new";
  private toldPeers = "";
  private toldServers = "";

  constructor(
    self: NodeInfo,
    nodes: readonly NodeInfo[],
    servers: readonly SegmentServerInfo[],
    io: RosterIo,
  ) {
    this.self = self;
    this.io = io;
    this.list = nodes;
    this.peers = new Addresses(nodes);
    this.servers = new Addresses(servers);
    this.toldPeers = show(this.others());
    this.toldServers = show(servers);
  }

  /** All nodes of the cluster, as clients are told of them. */
  get nodes(): readonly NodeInfo[] {
    return this.list;
  }

  /** This node may serve. */
  get isListed(): boolean {
    return this.standing === "listed";
  }

  knows(name: NodeName): boolean {
    return this.list.some((node) => node.name === name);
  }

  learnManifest(m: Manifest, now: number): void {
    this.list = nodeInfo(m, this.self.name) === undefined ? [...m.nodes, this.self] : m.nodes;
    this.peers.learn(m.nodes);
    this.servers.learn(m.servers);
    this.tellTargets();
    this.find(m, now);
  }

  /** After the own stream is closed. `then`: this node is in no list any more. */
  leave(then: () => void, now: number): void {
    if (this.standing === "left") return then();
    this.standing = "leaving";
    this.io.leave(
      this.self.name,
      () => {
        this.standing = "left";
        then();
      },
      now,
    );
  }

  private find(m: Manifest, now: number): void {
    const listed = nodeInfo(m, this.self.name);
    if (this.standing === "listed") {
      if (listed === undefined || listed.url !== this.self.url) this.retired("struck-off", undefined, now);
    } else if (this.standing === "new" || this.standing === "joining") {
      if (listed !== undefined && isSameNode(listed, this.self)) this.isIn();
      else if (this.standing === "new") this.join(now);
    }
  }

  private join(now: number): void {
    this.standing = "joining";
    this.io.join(
      this.self,
      (answer, at) => {
        if (this.standing !== "joining") return;
        if ("listed" in answer) this.isIn();
        else if (answer.limit === undefined) this.standing = "new";
        else this.retired("no-room", answer.limit, at);
      },
      now,
    );
  }

  private isIn(): void {
    const isNew = this.standing === "joining";
    this.standing = "listed";
    if (isNew) this.io.joined();
  }

  private retired(event: "struck-off" | "no-room", limit: LimitName | undefined, now: number): void {
    this.standing = "left";
    const level = limit === undefined ? "warn" : "error";
    this.io.emit({ kind: "log", level, event, fields: limit === undefined ? {} : { limit } });
    this.io.retired(now);
  }

  private others(): NodeInfo[] {
    return this.peers.targets.filter((node) => node.name !== this.self.name);
  }

  private tellTargets(): void {
    const peers = this.others();
    const servers = this.servers.targets;
    if (show(peers) !== this.toldPeers) this.io.emit({ kind: "peers", nodes: peers });
    if (show(servers) !== this.toldServers) this.io.emit({ kind: "servers", servers });
    this.toldPeers = show(peers);
    this.toldServers = show(servers);
  }
}

const show = (listings: readonly Listing[]): string =>
  listings
    .map(({ name, url }) => `${name} ${url}`)
    .sort()
    .join();

/** This node, as it wants to be listed. */
export function nodeItself({ name, role, nodes }: NodeOptions): NodeInfo {
  const { az, url } = nodes.find((node) => node.name === name) ?? { az: "", url: "" };
  return { name, role, az, url };
}
