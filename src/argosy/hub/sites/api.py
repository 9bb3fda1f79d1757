"""Sites, datastores, sitelinks and health."""

from typing import Any, get_args

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core import paths
from argosy.core.config import SETTINGS
from argosy.core.fileset import SnapshotKind
from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.fields import Choice, IdField, Named, StrictSerializer, Text, expect_nothing, read_path
from argosy.hub.sites import filesets, health, services
from argosy.hub.sites.models import Datastore, Declared, Fileset, ServedRoot, Site, SiteLink
from argosy.hub.sites.queries import retired, site_named

MOST = 1_000_000
_HTTP = ["get", "post", "patch", "delete", "head", "options"]


def _optional(*names: str) -> dict[str, dict[str, Any]]:
    """Let the texts be unset by sending them empty."""
    return {name: {"allow_blank": True} for name in names}


class SiteSummarySerializer(serializers.ModelSerializer[Site]):
    """A site in a list."""

    class Meta:
        """Fields."""

        model = Site
        fields = ("id", "name", "url")


class SiteSerializer(StrictSerializer, serializers.ModelSerializer[Site]):
    """A site with its settings."""

    name = Text(max_length=63)
    roots = serializers.ListField(child=Text(max_length=4096), required=False)
    include = serializers.ListField(child=Text(), allow_null=True, required=False)
    exclude = serializers.ListField(child=Text(), allow_null=True, required=False)
    threads = serializers.IntegerField(min_value=1, max_value=1024, required=False)
    min_stub_size = serializers.IntegerField(min_value=0, max_value=1 << 50, required=False)
    trash_days = serializers.FloatField(min_value=0, max_value=36_500, required=False)
    file_batch_size = serializers.IntegerField(min_value=1, max_value=MOST, required=False)
    file_batch_gb = serializers.IntegerField(min_value=1, max_value=MOST, required=False)

    class Meta:
        """Fields."""

        model = Site
        fields = (
            "id", "name", "url", "roots", "threads", "unguarded_stubs", "min_stub_size", "trash_days",
            "file_batch_size", "file_batch_gb", "lock_threshold", "include", "exclude", "bandwidth",
            "elasticsearch_url", "gpfs_iscan_buckets", "gpfs_iscan_threads", "pixstor_search_url",
        )  # fmt: skip
        extra_kwargs = _optional("elasticsearch_url", "pixstor_search_url")


class SecretField(Text):
    """A secret: taken as it is, and never shown."""

    def __init__(self) -> None:
        super().__init__(write_only=True, required=False, allow_blank=True)


class DatastoreSerializer(StrictSerializer, serializers.ModelSerializer[Datastore]):
    """A datastore; its secrets are written and never shown."""

    name = Text(max_length=63)
    type = Text()
    layout = Choice(choices=["native", "immutable"], required=False)
    addressing = Choice(choices=["auto", "path", "virtual"], required=False)
    encryption = Choice(choices=["none", "AES256", "aws:kms"], required=False)
    restore_tier = Choice(choices=["Standard", "Bulk", "Expedited"], required=False)
    restore_days = serializers.IntegerField(min_value=1, max_value=365, required=False)
    tries = serializers.IntegerField(min_value=1, max_value=20, required=False)
    timeout = serializers.IntegerField(min_value=1, max_value=3600, required=False)
    ca_file = Text(
        max_length=1 << 20,
        required=False,
        allow_blank=True,
        help_text="Certificates as PEM text.",
    )
    path = Text(max_length=4096, required=False, allow_blank=True)
    secretaccesskey = SecretField()
    accesskey = SecretField()
    credentialsfile = SecretField()

    class Meta:
        """Fields."""

        model = Datastore
        fields = (
            "id", "name", "url", "type", "layout", "bucket", "container", "storageaccount", "endpoint", "region",
            "accesskeyid", "path", "secretaccesskey", "accesskey", "credentialsfile", "prefix", "ca_file", "addressing",
            "encryption", "kms_key_id", "storage_class", "restore_tier", "restore_days", "tries", "timeout",
            "abilities", "trouble", "probed",
        )  # fmt: skip
        read_only_fields = ("abilities", "trouble", "probed")
        extra_kwargs = _optional(
            "bucket", "container", "storageaccount", "endpoint", "region", "accesskeyid", "prefix", "kms_key_id",
            "storage_class",
        )  # fmt: skip

    def validate_type(self, value: str) -> str:
        """Return the type in upper case."""
        if value.upper() not in SETTINGS:
            raise serializers.ValidationError(f"{value!r} is not one of {', '.join(SETTINGS)}.")
        return value.upper()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take `accesskey` for `accesskeyid` where the type is S3, as older clients send it."""
        kind = attrs.get("type", getattr(self.instance, "type", ""))
        if kind == "S3" and "accesskey" in attrs:
            attrs.setdefault("accesskeyid", attrs.pop("accesskey"))
        return attrs


class SiteLinkSerializer(StrictSerializer, serializers.ModelSerializer[SiteLink]):
    """A sitelink; site and datastore go by their names."""

    site = Named(queryset=Site.objects.all())
    datastore = Named(queryset=Datastore.objects.all())
    site_path = Text()
    datastore_path = Text(allow_blank=True)
    also_known = ("site_path_b64", "datastore_path_b64")

    class Meta:
        """Fields."""

        model = SiteLink
        fields = ("id", "url", "site", "datastore", "site_path", "datastore_path")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return what was sent, paths as bytes."""
        if not isinstance(data, dict):
            return dict(super().to_internal_value(data))
        sent = dict(data)
        read = {key: read_path(data, key) for key in ("site_path", "datastore_path") if {key, f"{key}_b64"} & set(data)}
        known = super().to_internal_value(sent | dict.fromkeys(read, "/"))
        return {**known, **read}

    def to_representation(self, instance: SiteLink) -> dict[str, Any]:
        """Return the link, paths as text and, where that is not enough, as base64."""
        shown = super().to_representation(instance)
        for key in ("site_path", "datastore_path"):
            shown |= paths.to_json(bytes(getattr(instance, key)), key)
        return shown


class DeclaredViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]):
    """Rows that the API and the configuration file share."""

    http_method_names = _HTTP
    save: Any

    def create(self, request: Request) -> Response:
        """Record a new one."""
        return self._saved(request, None, status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change the keys that are sent; 409 where the configuration file sets one of them."""
        return self._saved(request, self.get_object(), status.HTTP_200_OK)

    def destroy(self, request: Request, pk: str) -> Response:
        """Remove it; 409 where the configuration file declares it or something needs it."""
        expect_nothing(request)
        services.delete(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _saved(self, request: Request, row: Declared | None, code: int) -> Response:
        sent = self.get_serializer(row, data=request.data, partial=row is not None)
        sent.is_valid(raise_exception=True)
        saved = type(self).save(row or self.get_queryset().model(), sent.validated_data)
        return Response(self.get_serializer(saved).data, code)


class SiteViewSet(DeclaredViewSet):
    """Sites."""

    queryset = Site.objects.all()
    save = staticmethod(services.save_site)

    def get_serializer_class(self) -> type[serializers.BaseSerializer[Site]]:
        """Return the short form for lists: settings are shown for single sites."""
        return SiteSummarySerializer if self.action == "list" else SiteSerializer


class DatastoreViewSet(DeclaredViewSet):
    """Datastores."""

    queryset = Datastore.objects.all()
    serializer_class = DatastoreSerializer
    save = staticmethod(services.save_datastore)


class LinkQuery(Query):
    """Which sitelinks."""

    site_id = IdField(required=False)
    datastore_id = IdField(required=False)


@extend_schema_view(list=extend_schema(parameters=[LinkQuery]))
class SiteLinkViewSet(DeclaredViewSet):
    """Sitelinks."""

    queryset = SiteLink.objects.select_related("site", "datastore")
    serializer_class = SiteLinkSerializer
    asks = LinkQuery
    save = staticmethod(services.save_link)

    def get_queryset(self) -> Any:
        """Return the links asked for."""
        links = super().get_queryset()
        return links.filter(**asked_of(self)) if self.action == "list" else links


class FilesetSerializer(StrictSerializer, serializers.ModelSerializer[Fileset]):
    """A fileset, and what its site last said of it."""

    site = Named(queryset=Site.objects.all())
    name = Text(max_length=63)
    path = Text()
    snapshots = Choice(choices=get_args(SnapshotKind), required=False)
    mass_change_percent = serializers.IntegerField(
        min_value=1,
        max_value=100,
        required=False,
        help_text="A sync waits for somebody to confirm it where more per cent of all are gone, 50 by default; and ...",
    )
    mass_change_count = serializers.IntegerField(
        min_value=0, max_value=10**9, required=False, help_text="... more than so many, 10 by default."
    )
    mass_change_top = serializers.IntegerField(
        min_value=1,
        max_value=10**6,
        required=False,
        help_text="Or where nothing is left at the top, of so many or more: 2 by default.",
    )
    trash_days = serializers.FloatField(
        min_value=0,
        max_value=36_500,
        required=False,
        allow_null=True,
        help_text="For how many days what was removed and replaced in it is kept; null: as long as its site has it.",
    )
    fileset_id = Text(source="ident", read_only=True, help_text="Random; empty until it was served.")
    number = serializers.IntegerField(read_only=True, allow_null=True, help_text="What names of files tell it by.")
    state = serializers.SerializerMethodField(help_text="`ok`, what is wrong, or `unknown`.")
    declared_by = Text(
        source="file_name", read_only=True, help_text="Configuration file that declares it, where it is to be removed."
    )
    also_known = ("path_b64",)

    class Meta:
        """Fields."""

        model = Fileset
        validators = ()  # the service tells of a name that is taken, as of any other
        fields = (
            "id", "url", "site", "name", "path", "snapshots", "mass_change_percent", "mass_change_count",
            "mass_change_top", "trash_days", "fileset_id", "number", "state", "reason", "seen", "locked", "locked_by",
            "declared_by",
        )  # fmt: skip
        read_only_fields = ("reason", "seen", "locked", "locked_by")

    def get_state(self, fileset: Fileset) -> str:
        """Return what was found last at its top, `unknown` where nothing was said of it yet."""
        return fileset.state or "unknown"

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return what was sent, the path as bytes."""
        if not isinstance(data, dict) or not {"path", "path_b64"} & set(data):
            return dict(super().to_internal_value(data))
        path = read_path(data, "path")
        return {**super().to_internal_value(data | {"path": "/"}), "path": path}

    def to_representation(self, instance: Fileset) -> dict[str, Any]:
        """Return the fileset, its path as text and, where that is not enough, as base64."""
        return super().to_representation(instance) | paths.to_json(bytes(instance.path))


class FilesetQuery(Query):
    """Which filesets."""

    site = Text(required=False, help_text="Name of the site, which is waited for until it has said what lies there.")


@extend_schema_view(
    list=extend_schema(
        parameters=[FilesetQuery],
        responses={200: FilesetSerializer(many=True), 504: OpenApiResponse(description="The site does not answer.")},
    )
)
class FilesetViewSet(DeclaredViewSet):
    """Filesets."""

    queryset = Fileset.objects.select_related("site")
    serializer_class = FilesetSerializer
    asks = FilesetQuery
    save = staticmethod(filesets.save_fileset)

    def get_queryset(self) -> Any:
        """Return the filesets asked for."""
        found = super().get_queryset()
        asked = asked_of(self) if self.action == "list" else {}
        return found.filter(site__name=asked["site"]) if "site" in asked else found

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the filesets; those of a `site` when that has said what lies there, 504 where it does not in time."""
        if "site" in (asked := asked_of(self)):
            filesets.asked_of(site_named(asked["site"]))
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses={202: FilesetSerializer})
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, pk: str) -> Response:
        """Have the site take what lies at its top for the fileset; its state tells in a moment what came of it."""
        expect_nothing(request)
        fileset = self.get_object()
        filesets.adopt(fileset)
        return Response(self.get_serializer(fileset).data, status.HTTP_202_ACCEPTED)


class RetiredRootSerializer(serializers.ModelSerializer[ServedRoot]):
    """A root that was served once."""

    class Meta:
        """Fields."""

        model = ServedRoot
        fields = ("id", "site", "path")


class RetiredRootViewSet(mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[ServedRoot]):
    """Roots that are served no longer, whose files may point to objects: garbage collection stops for them."""

    queryset = ServedRoot.objects.all()
    serializer_class = RetiredRootSerializer

    def get_queryset(self) -> QuerySet[ServedRoot]:
        """Return them; none of those that are served."""
        return retired()

    def destroy(self, request: Request, *args: Any, **more: Any) -> Response:
        """Forget a root: what its files pointed to is garbage, unless others point to it."""
        expect_nothing(request)
        return super().destroy(request, *args, **more)

    def perform_destroy(self, instance: ServedRoot) -> None:
        """Forget it: what its files pointed to is garbage, unless others point to it."""
        services.forget(instance)


class NodeHealthSerializer(serializers.Serializer[Any]):
    """One node."""

    name = Text()
    health = Text()
    online = serializers.BooleanField()


class SiteHealthSerializer(serializers.Serializer[Any]):
    """One site, and why it is not well."""

    site = Text()
    health = Text()
    nodes = NodeHealthSerializer(many=True)
    reason = Text()


class HubStatusSerializer(serializers.Serializer[Any]):
    """The hub itself."""

    health = Text()


class HealthSerializer(serializers.Serializer[Any]):
    """The hub, the sites and their nodes."""

    overall_health = Text()
    hub_status = HubStatusSerializer()
    site_status = SiteHealthSerializer(many=True)


class HealthView(APIView):
    """Health."""

    @extend_schema(responses=HealthSerializer)
    def get(self, request: Request) -> Response:
        """Answer how hub and sites are: `ok`, `warning` or `critical`, and the nodes that were heard lately."""
        sites = [told.to_json() for told in health.of_sites(timezone.now())]
        overall = max((site["health"] for site in sites), key=health.GRADES.index, default=health.GRADES[0])
        return Response({"overall_health": overall, "hub_status": {"health": "ok"}, "site_status": sites})
