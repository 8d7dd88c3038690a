# For hosts with Docker and a shell, and no Python:
#   docker build --tag overweave .
#   docker run --rm -it --network host --user "$(id -u)" -v ~/.ssh:/home/overweave/.ssh -v "$PWD:/work" \
#       overweave status -H host1
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels /wheels/overweave-*.whl \
    && useradd --create-home --uid 1000 overweave \
    && chmod 1777 /home/overweave
# So that whoever `--user` names, whom this image does not know, has a name and a home, too.
ENV HOME=/home/overweave USER=overweave
USER 1000
WORKDIR /work
ENTRYPOINT ["overweave"]
CMD ["--list"]
