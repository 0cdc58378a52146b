/**
 * What has been found, sorted into what is forbidden and what is allowed. A broken store shows the same anomaly a thousand times: a few
 * examples of each name are kept, and at least one for each promise broken.
 */
import { isForbidden, nameOf, promisesBroken, type Link } from "./cycle.ts";
import { explain } from "./explain.ts";
import type { Observations } from "./observations.ts";
import type { Anomaly, AnomalyName, PromiseName } from "./report.ts";

const EXAMPLES_MAX = 10;

export class Findings {
  readonly violations: Anomaly[] = [];
  readonly allowed: Anomaly[] = [];
  private readonly observations: Observations;
  private readonly known = new Set<string>();
  private readonly broken = new Set<PromiseName>();
  private readonly examples = new Map<string, number>();

  constructor(observations: Observations) {
    this.observations = observations;
  }

  /** A violation that no cycle is needed for. */
  add(anomaly: Anomaly): void {
    if (this.isNews(anomaly.name, anomaly.breaks)) this.remember(anomaly);
  }

  /** Names and judges a cycle, and keeps it if it is news. */
  addCycle(links: readonly Link[]): void {
    const { history } = this.observations;
    const breaks = isForbidden(links, history) ? promisesBroken(links, history) : [];
    this.keep(links, breaks);
  }

  /** A cycle that nobody was promised not to see, although its links alone do not tell. */
  addAllowed(links: readonly Link[]): void {
    this.keep(links, []);
  }

  /** Whether there are examples enough. */
  isFull(name: AnomalyName, forbidden: boolean): boolean {
    return this.count(name, forbidden) >= EXAMPLES_MAX;
  }

  private keep(links: readonly Link[], breaks: readonly PromiseName[]): void {
    const { history, versions } = this.observations;
    const name = nameOf(links, this.observations);
    const transactions = [...new Set(links.map(({ from }) => history[from]!.id))];
    const id = `${name} ${[...transactions].sort((a, b) => a - b).join(" ")}`;
    if (this.known.has(id) || !this.isNews(name, breaks)) return;
    this.known.add(id);
    this.remember({ name, transactions, breaks, explanation: explain(name, links, history, versions) });
  }

  private isNews(name: AnomalyName, breaks: readonly PromiseName[]): boolean {
    return !this.isFull(name, breaks.length > 0) || breaks.some((promise) => !this.broken.has(promise));
  }

  private remember(anomaly: Anomaly): void {
    const { name, breaks } = anomaly;
    const forbidden = breaks.length > 0;
    for (const promise of breaks) this.broken.add(promise);
    this.examples.set(`${forbidden} ${name}`, this.count(name, forbidden) + 1);
    (forbidden ? this.violations : this.allowed).push(anomaly);
  }

  private count(name: AnomalyName, forbidden: boolean): number {
    return this.examples.get(`${forbidden} ${name}`) ?? 0;
  }
}
