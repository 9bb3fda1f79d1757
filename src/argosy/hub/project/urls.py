"""Addresses. What the API answers is documented at /api/docs/."""

from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from argosy.hub.common import api as tokens
from argosy.hub.common.configuration import ConfigurationView
from argosy.hub.events import api as events
from argosy.hub.gc import api as gc
from argosy.hub.jobs import api as jobs
from argosy.hub.jobs.explain import api as explain
from argosy.hub.jobs.plans import api as plans
from argosy.hub.schedules import api as schedules
from argosy.hub.sites import api as sites
from argosy.hub.sync import api as sync
from argosy.hub.sync import bases_api as bases
from argosy.hub.sync import conflicts_api as conflicts
from argosy.hub.workflows import api as workflows

router = SimpleRouter()
router.register("sites", sites.SiteViewSet)
router.register("retiredroots", sites.RetiredRootViewSet)
router.register("datastores", sites.DatastoreViewSet)
router.register("sitelinks", sites.SiteLinkViewSet)
router.register("filesets", sites.FilesetViewSet)
router.register("workflows", workflows.WorkflowViewSet)
router.register("jobs", jobs.JobViewSet)
router.register("tasks", jobs.TaskViewSet)
router.register("gc", gc.RunViewSet)
router.register("schedules", schedules.ScheduleViewSet)
router.register("syncs", sync.SyncViewSet, basename="sync")
router.register("conflicts", conflicts.ConflictViewSet, basename="conflict")

api = [
    path("auth/token/", tokens.LoginView.as_view()),
    path("auth/token/refresh/", tokens.RefreshView.as_view()),
    path("auth/token/verify/", tokens.VerifyView.as_view()),
    path("auth/token/publickey/", tokens.PublicKeyView.as_view()),
    path("clock/", bases.ClockView.as_view()),
    path("configurations/", ConfigurationView.as_view()),
    path("events/stream/", events.StreamView.as_view()),
    path("events/ticket/", events.TicketView.as_view()),
    path("file/explain/", explain.PathView.as_view()),
    path("file/workflow/", jobs.SubmitView.as_view()),
    path("jobs/<int:pk>/apply/", plans.ApplyView.as_view()),
    path("jobs/<int:pk>/confirm/", sync.ConfirmView.as_view()),
    path("jobs/<int:pk>/explain/", explain.JobView.as_view()),
    path("jobs/<int:id>/plan/", plans.PlanView.as_view()),
    path("jobs/<int:pk>/undo/", sync.UndoView.as_view()),
    path(
        "schedules/<int:schedule>/workflows/",
        schedules.SubscriptionViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path(
        "schedules/<int:schedule>/workflows/<int:pk>/",
        schedules.SubscriptionViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="subscription-detail",
    ),
    path("steps/", workflows.StepsView.as_view()),
    path("discoveries/", workflows.DiscoveriesView.as_view()),
    path("filesets/<int:pk>/unlock/", sync.UnlockView.as_view()),
    path("health/", sites.HealthView.as_view()),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema")),
    path("syncs/base/", bases.BaseView.as_view()),
    *router.urls,
]
documentation = RedirectView.as_view(url="/api/docs/")
urlpatterns = [path("", documentation), path("api/", documentation), path("api/", include(api))]

handler400 = "argosy.hub.common.problems.bad_request"
handler403 = "argosy.hub.common.problems.forbidden"
handler404 = "argosy.hub.common.problems.not_found"
handler500 = "argosy.hub.common.problems.server_error"
