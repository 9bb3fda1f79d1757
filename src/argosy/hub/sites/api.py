"""Sites, datastores, sitelinks and health."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from argosy.core import paths
from argosy.core.config import SETTINGS
from argosy.hub.common.asked import Query, asked_of
from argosy.hub.common.fields import IdField, StrictSerializer, read_path
from argosy.hub.sites import health, services
from argosy.hub.sites.models import Datastore, Declared, ServedRoot, Site, SiteLink
from argosy.hub.sites.queries import retired

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

    name = serializers.CharField(max_length=63)
    roots = serializers.ListField(child=serializers.CharField(max_length=4096, trim_whitespace=False), required=False)
    include = serializers.ListField(child=serializers.CharField(), allow_null=True, required=False)
    exclude = serializers.ListField(child=serializers.CharField(), allow_null=True, required=False)
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


class SecretField(serializers.CharField):
    """A secret: taken as it is, and never shown."""

    def __init__(self) -> None:
        super().__init__(write_only=True, required=False, allow_blank=True, trim_whitespace=False)


class DatastoreSerializer(StrictSerializer, serializers.ModelSerializer[Datastore]):
    """A datastore; its secrets are written and never shown."""

    name = serializers.CharField(max_length=63)
    type = serializers.CharField()
    layout = serializers.ChoiceField(choices=["native", "immutable"], required=False)
    addressing = serializers.ChoiceField(choices=["auto", "path", "virtual"], required=False)
    encryption = serializers.ChoiceField(choices=["none", "AES256", "aws:kms"], required=False)
    restore_tier = serializers.ChoiceField(choices=["Standard", "Bulk", "Expedited"], required=False)
    restore_days = serializers.IntegerField(min_value=1, max_value=365, required=False)
    tries = serializers.IntegerField(min_value=1, max_value=20, required=False)
    timeout = serializers.IntegerField(min_value=1, max_value=3600, required=False)
    ca_file = serializers.CharField(
        max_length=1 << 20,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Certificates as PEM text.",
    )
    path = serializers.CharField(max_length=4096, required=False, allow_blank=True, trim_whitespace=False)
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

    site = serializers.SlugRelatedField(slug_field="name", queryset=Site.objects.all())
    datastore = serializers.SlugRelatedField(slug_field="name", queryset=Datastore.objects.all())
    site_path = serializers.CharField()
    datastore_path = serializers.CharField(allow_blank=True)
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

    def perform_destroy(self, instance: ServedRoot) -> None:
        """Forget it: what its files pointed to is garbage, unless others point to it."""
        services.forget(instance)


class NodeHealthSerializer(serializers.Serializer[Any]):
    """One node."""

    name = serializers.CharField()
    health = serializers.CharField()
    online = serializers.BooleanField()


class SiteHealthSerializer(serializers.Serializer[Any]):
    """One site, and why it is not well."""

    site = serializers.CharField()
    health = serializers.CharField()
    nodes = NodeHealthSerializer(many=True)
    reason = serializers.CharField()


class HubStatusSerializer(serializers.Serializer[Any]):
    """The hub itself."""

    health = serializers.CharField()


class HealthSerializer(serializers.Serializer[Any]):
    """The hub, the sites and their nodes."""

    overall_health = serializers.CharField()
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
