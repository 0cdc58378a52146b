# One image, both roles: `segment` and `node` are subcommands of the server (docker-compose.yml shows both).
# docker build -t sixfold .

ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
WORKDIR /sixfold
ENV TURBO_TELEMETRY_DISABLED=1 DO_NOT_TRACK=1
COPY package.json package-lock.json turbo.json tsconfig.json tsconfig.base.json ./
COPY apps/ apps/
COPY packages/ packages/
RUN npm ci --no-audit --no-fund
RUN node node_modules/turbo/bin/turbo run build --output-logs=errors-only \
 && npm prune --omit=dev --no-audit --no-fund \
 && find packages apps \( -name src -o -name .turbo -o -name '*.map' -o -name '*.d.ts' -o -name .tsbuildinfo \) \
      -not -path '*/node_modules/*' -prune -exec rm -rf {} +

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /sixfold
COPY --from=build /sixfold/package.json ./
COPY --from=build /sixfold/node_modules node_modules/
COPY --from=build /sixfold/packages packages/
COPY --from=build /sixfold/apps apps/
COPY scripts/container-health.mjs scripts/
# A named volume mounted here takes over this owner, so that the server needs no root.
RUN mkdir /data && chown node:node /data
USER node
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=5 \
  CMD ["node", "scripts/container-health.mjs"]
ENTRYPOINT ["node", "apps/server/dist/main.js"]
CMD ["--help"]
