/**
 * What clients are told of this node and of the others, when they come and whenever it changes.
 *
 *     client comes         ──> clientWelcome, topology, token
 *     own part changes     ──> clientWelcome, topology          to all
 *     others' part changes ──> topology
 *     lag changes          ──> topology, once a second at most
 *     entries are shown    ──> token, once a second
 *
 * A lag changes all the time: only a change of its order of magnitude is worth a message. The token, which comes with every frame
 * of answers, too, says how far the node's stream is: transaction ids name that, and so clients that ask for nothing are told as well.
 */
import { openStreams, type Manifest, type Role, type NodeInfo, type NodeName } from "@sixfold/model";
import type { ClientResponses, ClientWelcome, Topology, TopologyNode } from "@sixfold/wire";
import type { ClientLink, NodeOptions } from "./node-api.ts";

export interface IntroductionIo {
  welcome(): ClientWelcome;
  nodes(): readonly TopologyNode[];
  /** The session token as of now. */
  session(): Uint8Array;
  send(link: ClientLink, message: ClientWelcome | Topology | ClientResponses): void;
}

const LAG_EVERY_MS = 1000;

export class Introductions {
  private readonly io: IntroductionIo;
  private readonly clients = new Set<ClientLink>();
  /** The nodes as all clients were told, by what matters at once and by their lags. */
  private told = "";
  private toldLags = "";
  private lagsToldAt = Number.NEGATIVE_INFINITY;
  private tickedAt = Number.NEGATIVE_INFINITY;
  private session = "";

  constructor(io: IntroductionIo) {
    this.io = io;
  }

  get size(): number {
    return this.clients.size;
  }

  opened(link: ClientLink): void {
    this.clients.add(link);
    this.io.send(link, this.io.welcome());
    this.io.send(link, { type: "topology", nodes: this.io.nodes() });
    this.io.send(link, { type: "responses", session: this.io.session(), responses: [] });
  }

  /** What changes by itself. */
  tick(now: number): void {
    if (this.clients.size === 0 || now - this.tickedAt < LAG_EVERY_MS) return;
    this.tickedAt = now;
    this.check(now);
    const session = this.io.session();
    const text = session.join();
    if (text === this.session) return;
    this.session = text;
    for (const link of this.clients) this.io.send(link, { type: "responses", session, responses: [] });
  }

  closed(link: ClientLink): void {
    this.clients.delete(link);
  }

  /** The node's own part has changed. */
  announce(now: number): void {
    const welcome = this.io.welcome();
    for (const link of this.clients) this.io.send(link, welcome);
    this.check(now);
  }

  /** Tells everybody if something has changed; every tick, or when it may have. O(nodes). */
  check(now: number): void {
    const nodes = this.io.nodes();
    const told = JSON.stringify(nodes.map(({ lagMs: _, ...node }) => node));
    const lags = nodes.map(({ lagMs }) => magnitude(lagMs)).join();
    const isOld = lags !== this.toldLags && now - this.lagsToldAt >= LAG_EVERY_MS;
    if (told === this.told && !isOld) return;
    this.told = told;
    this.toldLags = lags;
    this.lagsToldAt = now;
    for (const link of this.clients) this.io.send(link, { type: "topology", nodes });
  }
}

const magnitude = (lagMs: number): number => Math.ceil(Math.log2(1 + lagMs));

/** What a node knows of itself, better than the manifest does. */
export type Self = Pick<TopologyNode, "stream" | "ready" | "lagMs">;

export function welcomeOf(
  { name, role, mode }: NodeOptions,
  nodes: readonly NodeInfo[],
  manifest: Manifest | undefined,
  stream: number,
): ClientWelcome {
  const az = nodes.find((node) => node.name === name)?.az ?? "";
  const welcome = { node: name, az, mode: manifest?.mode ?? mode, stream, nodes };
  return { type: "clientWelcome", role: actingRole(role, stream), ...welcome };
}

/** The nodes with what the manifest says of their streams. */
export function knownNodes(
  own: NodeName,
  nodes: readonly NodeInfo[],
  manifest: Manifest | undefined,
  { stream, ready, lagMs }: Self,
): TopologyNode[] {
  const streams = new Map<string, number>();
  if (manifest !== undefined) for (const { node, id } of openStreams(manifest)) streams.set(node, id);
  return nodes.map(({ name, role, az, url }) => {
    const now = name === own ? stream : (streams.get(name) ?? 0);
    const node = { name, role: actingRole(role, now), az, url, stream: now };
    if (name === own) return { ...node, ready, lagMs: Math.ceil(lagMs) };
    return { ...node, ready: true, lagMs: 0 };
  });
}

/** A replica that was promoted is a writer for as long as it has a stream. */
const actingRole = (role: Role, stream: number): Role => (stream === 0 ? role : "writer");
